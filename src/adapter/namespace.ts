/**
 * One namespace over the stream: an instance of the official adapter with single methods replaced. It still encodes, publishes and
 * answers in its own format; when and with which offset messages reach the sockets is ours.
 */
import type { Namespace } from 'socket.io';
import { Adapter, type BroadcastOptions, type ClusterMessage, type Session } from 'socket.io-adapter';
import type { EntryMessage, EntryTarget, EventPacket } from '../stream/entry.ts';
import { parseOffset } from '../stream/offset.ts';
import { BROADCAST, DISCONNECT_SOCKETS, EVENT_PACKET, FETCH_SOCKETS, SOCKETS_JOIN, SOCKETS_LEAVE } from '../stream/protocol.ts';
import type { Delivery } from './delivery.ts';
import type { LocalNamespace } from './dispatch/namespaces.ts';
import type { Outbox } from './dispatch/outbox.ts';
import { YoungMembers } from './dispatch/young-members.ts';
import { encodeMessage, encodeOptions, type OfficialAdapter, type OutgoingMessage, type RecoverableSocket } from './official.ts';
import type { Position } from './position.ts';
import type { Recovery } from './recovery/restore.ts';
import type { Acknowledgements } from './servers/acknowledgements.ts';
import type { Attendance } from './servers/attendance.ts';
import type { Requests } from './servers/requests.ts';
import type { Room } from './sessions/record.ts';
import type { Sessions } from './sessions/sessions.ts';

export interface RequestDeps {
	readonly attendance: Attendance;
	readonly requests: Requests;
	readonly acknowledgements: Acknowledgements;
}

export interface NamespaceDeps extends RequestDeps {
	readonly outbox: Outbox;
	readonly delivery: Delivery;
	readonly position: Position;
	/** Undefined when recovery is off. */
	readonly recovery: Recovery | undefined;
	readonly sessions: Sessions | undefined;
	/** Messages for these clients will never be on the log. */
	onLost(sockets: readonly RecoverableSocket[]): void;
	onClose(): void;
}

/** Replaces methods of `adapter` in place; what arrives for the namespace is given to what this answers. */
export function hardenNamespace(adapter: OfficialAdapter, deps: NamespaceDeps): LocalNamespace {
	const young = new YoungMembers(deps.position);
	const namespace = new SocketIoNamespace(adapter, deps, young);
	// Messages to other servers go on the log, and reach the sockets here when they come back from it.
	replacePublishing(adapter, {
		deliver: (packet, opts) => namespace.broadcast(packet, opts, deps.position.cursor ?? ''),
		publish: (message, opts) => deps.outbox.publish(encodeMessage(adapter, message), [...opts.rooms]),
	});
	replaceRequests(adapter, deps);
	replaceRooms(adapter, deps, young);
	if (deps.sessions && deps.recovery) {
		replaceSessions(adapter, deps.sessions, deps.recovery);
	}
	const close = adapter.close.bind(adapter);
	adapter.close = () => {
		deps.delivery.leave(adapter.nsp.name);
		deps.onClose();
		return close();
	};
	return namespace;
}

/** Messages of a namespace and of its rooms come while it has them. */
function replaceRooms(adapter: OfficialAdapter, { delivery }: NamespaceDeps, young: YoungMembers): void {
	const nsp = adapter.nsp.name;
	const { addAll } = adapter;
	void delivery.join(nsp);
	let joined: Promise<void> | undefined;
	adapter.on('create-room', (room: Room) => {
		joined = delivery.join(nsp, room) ?? joined;
	});
	adapter.on('delete-room', (room: Room) => delivery.leave(nsp, room));
	adapter.addAll = (id, rooms) => {
		const before = adapter.sids.get(id);
		for (const room of rooms) {
			if (!before?.has(room)) {
				young.join(id, room);
			}
		}
		joined = undefined;
		void addAll.call(adapter, id, rooms);
		return joined;
	};
}

/** Hands messages to the sockets of this worker; never publishes. */
export class SocketIoNamespace implements LocalNamespace {
	readonly #adapter: OfficialAdapter;
	readonly #deps: Pick<NamespaceDeps, 'recovery' | 'sessions' | 'onLost'>;
	/** Undefined: messages are delivered in the moment in which they come. */
	readonly #young: YoungMembers | undefined;

	constructor(adapter: OfficialAdapter, deps: Pick<NamespaceDeps, 'recovery' | 'sessions' | 'onLost'>, young?: YoungMembers) {
		this.#adapter = adapter;
		this.#deps = deps;
		this.#young = young;
	}

	get rooms(): ReadonlyMap<Room, unknown> {
		return this.#adapter.rooms;
	}

	deliver(message: EntryMessage, offset: string): void {
		if (message.kind === 'other') {
			return;
		}
		const options = this.#toOptions(message.target, parseOffset(offset) !== undefined);
		switch (message.kind) {
			case 'broadcast':
				this.#noteActivity(message.target.rooms, offset);
				this.broadcast(message.packet, options, offset);
				break;
			case 'join':
				Adapter.prototype.addSockets.call(this.#adapter, options, [...message.rooms]);
				break;
			case 'leave':
				Adapter.prototype.delSockets.call(this.#adapter, options, [...message.rooms]);
				break;
			case 'disconnect':
				Adapter.prototype.disconnectSockets.call(this.#adapter, options, message.close);
				break;
			case 'lost':
				this.#deps.onLost(this.#socketsIn(message.target.rooms));
				break;
		}
	}

	/** What comes without the log is for everyone who is there now. */
	#toOptions({ rooms, except, flags }: EntryTarget, isOnLog: boolean): BroadcastOptions {
		const outsiders = (isOnLog && this.#young?.outsiders(rooms, (id) => this.#adapter.sids.get(id))) || [];
		return { rooms: new Set(rooms), except: new Set([...except, ...outsiders]), flags };
	}

	#socketsIn(rooms: readonly Room[]): RecoverableSocket[] {
		const { nsp } = this.#adapter;
		const ids = rooms.length === 0 ? [...nsp.sockets.keys()] : rooms.flatMap((room) => [...(this.#adapter.rooms.get(room) ?? [])]);
		return ids.flatMap((id) => (nsp.sockets.get(id) ?? []) as unknown as RecoverableSocket);
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
		if (hasOffset) {
			this.#deps.sessions?.noteSent(this.#adapter.nsp.name, opts.rooms);
		}
		const sent = hasOffset ? { ...packet, data: [...packet.data, offset] } : packet;
		Adapter.prototype.broadcast.call(this.#adapter, sent, opts);
	}
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
}

/** Questions to the other servers, and to the clients of all servers, go by what the fleet knows of who is there. */
export function replaceRequests(adapter: OfficialAdapter, { attendance, requests, acknowledgements }: RequestDeps): void {
	const { onMessage, onResponse, publishResponse } = adapter;
	const close = adapter.close.bind(adapter);
	adapter.broadcastWithAck = (packet, opts, onCount, onAck) => acknowledgements.broadcast(packet, opts, onCount, onAck);
	adapter.serverCount = () => (acknowledgements.takeCountQuestion() ? Promise.resolve(1) : attendance.serverCount());
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
		if (!requests.take(response) && !acknowledgements.take(response)) {
			onResponse.call(adapter, response);
		}
	};
	adapter.publishResponse = (requester, response) => {
		requests.guard(() => publishResponse.call(adapter, requester, response));
	};
	adapter.close = () => {
		attendance.close();
		acknowledgements.close();
		return close();
	};
}

/** Sessions follow the rooms of their client, and a client that comes back gets what it missed once its middlewares have passed. */
function replaceSessions(adapter: OfficialAdapter, sessions: Sessions, recovery: Recovery): void {
	const nsp: Namespace = adapter.nsp;
	const { addAll, del, delAll } = adapter;
	adapter.on('delete-room', (room: Room) => sessions.activityOf(nsp.name).forget(room));

	const connected = new WeakSet<RecoverableSocket>();

	adapter.addAll = (id, rooms) => {
		const socket = nsp.sockets.get(id) as unknown as RecoverableSocket | undefined;
		const session = sessions.find(nsp.name, id);
		const joined = addAll.call(adapter, id, rooms);
		if (socket?.pid !== undefined && rooms.has(id) && !connected.has(socket)) {
			// Socket.IO joins the room of the socket's own id when it connects it: middlewares have passed, CONNECT follows.
			connected.add(socket);
			recovery.onConnect(adapter, socket, adapter.sids.get(id) ?? rooms);
			return joined;
		}
		const saved = session && sessions.join(session, rooms);
		return joined && saved ? Promise.all([joined, saved]).then(() => undefined) : (joined ?? saved);
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
