/**
 * One namespace over the stream: an instance of the official adapter with single methods replaced. It still encodes, publishes and
 * answers in its own format; when and with which offset messages reach the sockets is ours.
 */
import type { Namespace } from 'socket.io';
import { Adapter, type BroadcastOptions, type ClusterMessage, type Session } from 'socket.io-adapter';
import type { EntryMessage, EntryTarget, EventPacket } from '../stream/entry.ts';
import { parseOffset } from '../stream/offset.ts';
import type { HubNamespace } from './dispatch/deliveries.ts';
import type { StreamHub } from './dispatch/dispatcher.ts';
import type { Interest } from './follow/interest.ts';
import type { OfficialAdapter, OutgoingMessage, RecoverableSocket } from './official.ts';
import type { Recovery } from './recovery/restore.ts';
import type { Requests } from './servers/requests.ts';
import type { Room } from './sessions/record.ts';
import type { Sessions } from './sessions/sessions.ts';

export interface NamespaceDeps {
	readonly hub: StreamHub;
	readonly interest: Interest;
	/** Undefined when recovery is off. */
	readonly recovery: Recovery | undefined;
	readonly sessions: Sessions | undefined;
	readonly requests: Requests;
	readonly onClose: () => void;
}

const EVENT_PACKET = 2;
/** Values of socket.io-adapter's `MessageType`. */
const BROADCAST = 3;
const SOCKETS_JOIN = 4;
const SOCKETS_LEAVE = 5;
const DISCONNECT_SOCKETS = 6;
const FETCH_SOCKETS = 7;

/** Replaces methods of `adapter` in place and registers it with the hub. */
export function hardenNamespace(adapter: OfficialAdapter, deps: NamespaceDeps): void {
	const { hub } = deps;
	const namespace = new LocalNamespace(adapter, deps);
	// Messages to other servers go on the stream, and reach the sockets here when they come back from it.
	replacePublishing(adapter, {
		deliver: (packet, opts) => namespace.broadcast(packet, opts, hub.cursor ?? ''),
		publish: (message, opts) => {
			void hub.own.withRooms(message.type === BROADCAST ? [...opts.rooms] : [], () => adapter.publishAndReturnOffset(message));
		},
	});
	replaceRequests(adapter, deps.requests);
	if (deps.sessions && deps.recovery) {
		replaceRooms(adapter, deps.sessions, deps.recovery);
	}
	const close = adapter.close.bind(adapter);
	adapter.close = () => {
		deps.hub.remove(adapter.nsp.name);
		deps.interest.onNamespace();
		deps.requests.close();
		deps.onClose();
		return close();
	};
	deps.hub.add(adapter.nsp.name, namespace);
	reportRooms(adapter, deps);
}

/** The worker that reads the stream for this one is told what there is. */
function reportRooms(adapter: OfficialAdapter, { interest }: NamespaceDeps): void {
	const nsp = adapter.nsp.name;
	interest.onNamespace();
	adapter.on('create-room', (room: Room) => interest.onRoom(nsp, room, true));
	adapter.on('delete-room', (room: Room) => interest.onRoom(nsp, room, false));
}

/** Hands messages to the sockets of this worker; never publishes. */
export class LocalNamespace implements HubNamespace {
	readonly #adapter: OfficialAdapter;
	readonly #deps: Pick<NamespaceDeps, 'recovery' | 'sessions'>;

	constructor(adapter: OfficialAdapter, deps: Pick<NamespaceDeps, 'recovery' | 'sessions'>) {
		this.#adapter = adapter;
		this.#deps = deps;
	}

	get rooms(): ReadonlyMap<Room, unknown> {
		return this.#adapter.rooms;
	}

	deliver(message: EntryMessage, offset: string): void {
		switch (message.kind) {
			case 'broadcast':
				this.#noteActivity(message.target.rooms, offset);
				this.broadcast(message.packet, toOptions(message.target), offset);
				break;
			case 'join':
				Adapter.prototype.addSockets.call(this.#adapter, toOptions(message.target), [...message.rooms]);
				break;
			case 'leave':
				Adapter.prototype.delSockets.call(this.#adapter, toOptions(message.target), [...message.rooms]);
				break;
			case 'disconnect':
				Adapter.prototype.disconnectSockets.call(this.#adapter, toOptions(message.target), message.close);
				break;
			case 'other':
				break;
		}
	}

	#noteActivity(rooms: readonly Room[], offset: string): void {
		const { name } = this.#adapter.nsp;
		const { sessions } = this.#deps;
		const id = parseOffset(offset);
		if (id === undefined) {
			return;
		}
		const activity = sessions?.activityOf(name);
		if (rooms.length === 0) {
			activity?.noteAll(id);
		}
		for (const room of rooms) {
			if (this.#adapter.rooms.has(room)) {
				activity?.note(room, id);
			}
		}
	}

	/** Every event that wants no answer carries an offset: without one the client would take its own last argument for it. */
	broadcast(packet: EventPacket, opts: BroadcastOptions, offset: string): void {
		const hasOffset = this.#deps.recovery !== undefined && packet.type === EVENT_PACKET && packet.id === undefined;
		const sent = hasOffset ? { ...packet, data: [...packet.data, offset] } : packet;
		Adapter.prototype.broadcast.call(this.#adapter, sent, opts);
	}
}

function toOptions(target: EntryTarget): BroadcastOptions {
	return { rooms: new Set(target.rooms), except: new Set(target.except), flags: target.flags };
}

export interface Publishing {
	/** Hands a packet to the sockets of this worker. */
	deliver(packet: EventPacket, opts: BroadcastOptions): void;
	/** Takes a message to the other servers; `deliverHere` is what it does in this worker. What cannot be encoded throws. */
	publish(message: OutgoingMessage, opts: BroadcastOptions, deliverHere: () => void): void;
}

/**
 * What the official adapter does in asynchronous methods is done at once: what cannot be encoded throws at the caller, as it does
 * without a cluster, and not where nobody can catch it.
 */
export function replacePublishing(adapter: OfficialAdapter, { deliver, publish }: Publishing): void {
	const { addSockets, delSockets, disconnectSockets } = Adapter.prototype;
	const send = (opts: BroadcastOptions, build: () => OutgoingMessage, deliverHere: () => void): void =>
		opts.flags?.local ? deliverHere() : publish(build(), opts, deliverHere);

	adapter.broadcast = (packet, opts) =>
		send(
			opts,
			() => ({ type: BROADCAST, data: { packet, opts: encodeOptions(opts) } }),
			() => deliver(packet, opts),
		);
	adapter.addSockets = (opts, rooms) =>
		send(
			opts,
			() => ({ type: SOCKETS_JOIN, data: { opts: encodeOptions(opts), rooms } }),
			() => addSockets.call(adapter, opts, rooms),
		);
	adapter.delSockets = (opts, rooms) =>
		send(
			opts,
			() => ({ type: SOCKETS_LEAVE, data: { opts: encodeOptions(opts), rooms } }),
			() => delSockets.call(adapter, opts, rooms),
		);
	adapter.disconnectSockets = (opts, close) =>
		send(
			opts,
			() => ({ type: DISCONNECT_SOCKETS, data: { opts: encodeOptions(opts), close } }),
			() => disconnectSockets.call(adapter, opts, close),
		);
	forgetFailedQuestions(adapter);
}

function encodeOptions({ rooms, except, flags }: BroadcastOptions): object {
	return { rooms: [...rooms], except: [...(except ?? [])], flags };
}

/** The official adapter notes who waits for acknowledgements before it encodes the message; it would never forget one that throws. */
function forgetFailedQuestions(adapter: OfficialAdapter): void {
	const { publish } = adapter;
	adapter.publish = (message) => {
		try {
			publish.call(adapter, message);
		} catch (error) {
			adapter.ackRequests.delete(message.data.requestId ?? '');
			throw error;
		}
	};
}

export function replaceRequests(adapter: OfficialAdapter, requests: Requests): void {
	const { onMessage, onResponse, publishResponse } = adapter;
	adapter.serverCount = () => requests.serverCount();
	adapter.fetchSockets = (opts) => requests.fetchSockets(opts);
	adapter.serverSideEmit = (packet) => requests.serverSideEmit(packet);
	adapter.onMessage = (message: ClusterMessage, offset) => {
		if (message.type === FETCH_SOCKETS && message.uid !== adapter.uid) {
			requests.answerFetchSockets(message.uid, message.data);
		} else {
			onMessage.call(adapter, message, offset);
		}
	};
	adapter.onResponse = (response) => {
		if (!requests.take(response)) {
			onResponse.call(adapter, response);
		}
	};
	adapter.publishResponse = (requester, response) => {
		requests.guard(() => publishResponse.call(adapter, requester, response));
	};
}

/** Sessions follow the rooms of their client, and a client that comes back gets what it missed once its middlewares have passed. */
function replaceRooms(adapter: OfficialAdapter, sessions: Sessions, recovery: Recovery): void {
	const nsp: Namespace = adapter.nsp;
	const { addAll, del, delAll } = adapter;
	adapter.on('delete-room', (room: Room) => sessions.activityOf(nsp.name).forget(room));

	const connected = new WeakSet<RecoverableSocket>();

	adapter.addAll = (id, rooms) => {
		const socket = nsp.sockets.get(id) as unknown as RecoverableSocket | undefined;
		const session = sessions.find(nsp.name, id);
		if (socket?.pid !== undefined && rooms.has(id) && !connected.has(socket)) {
			// Socket.IO joins the room of the socket's own id when it connects it: middlewares have passed, CONNECT follows.
			connected.add(socket);
			void addAll.call(adapter, id, rooms);
			recovery.onConnect(adapter, socket, adapter.sids.get(id) ?? rooms);
			return;
		}
		void addAll.call(adapter, id, rooms);
		return session && sessions.join(session, rooms);
	};
	adapter.del = (id, room) => {
		void del.call(adapter, id, room);
		const session = sessions.find(nsp.name, id);
		return session && sessions.leave(session, room);
	};
	adapter.delAll = (id) => {
		delAll.call(adapter, id);
		recovery.onGone(nsp.name, id);
	};
	adapter.persistSession = ({ sid }) => {
		const session = sessions.find(nsp.name, sid);
		if (session) {
			sessions.release(session);
		}
	};
	adapter.restoreSession = (pid, offset): Promise<Session | null> => recovery.restore(nsp, pid, offset);
}
