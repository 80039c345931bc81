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
import { encodeOptions, type OfficialAdapter, type OutgoingMessage, type RecoverableSocket } from './official.ts';
import type { Recovery } from './recovery/restore.ts';
import type { Acknowledgements } from './servers/acknowledgements.ts';
import type { Attendance } from './servers/attendance.ts';
import type { Requests } from './servers/requests.ts';
import type { Room } from './sessions/record.ts';
import type { Sessions } from './sessions/sessions.ts';

export interface NamespaceDeps {
	readonly hub: StreamHub;
	readonly interest: Interest;
	/** Undefined when recovery is off. */
	readonly recovery: Recovery | undefined;
	readonly sessions: Sessions | undefined;
	readonly attendance: Attendance;
	readonly requests: Requests;
	readonly acknowledgements: Acknowledgements;
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
	const namespace = new StreamNamespace(adapter, deps);
	replacePublishing(adapter, deps, namespace);
	replaceRequests(adapter, deps);
	if (deps.sessions && deps.recovery) {
		replaceRooms(adapter, deps.sessions, deps.recovery);
	}
	const close = adapter.close.bind(adapter);
	adapter.close = () => {
		deps.hub.remove(adapter.nsp.name);
		deps.interest.onNamespace();
		deps.attendance.close();
		deps.acknowledgements.close();
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
class StreamNamespace implements HubNamespace {
	readonly #adapter: OfficialAdapter;
	readonly #deps: NamespaceDeps;

	constructor(adapter: OfficialAdapter, deps: NamespaceDeps) {
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

/** Messages to other servers go on the stream, and reach the sockets here when they come back from it. */
function replacePublishing(adapter: OfficialAdapter, { hub }: NamespaceDeps, local: StreamNamespace): void {
	const publish = (opts: BroadcastOptions, message: OutgoingMessage): void => {
		const rooms = message.type === BROADCAST ? [...opts.rooms] : [];
		// Encoding what can't be encoded throws here, at the caller, as it does without a cluster. The promise resolves at once.
		void hub.own.withRooms(rooms, () => adapter.publishAndReturnOffset(message));
	};

	adapter.broadcast = (packet, opts) => {
		if (opts.flags?.local) {
			local.broadcast(packet, opts, hub.cursor ?? '');
			return;
		}
		publish(opts, { type: BROADCAST, data: { packet, opts: encodeOptions(opts) } });
	};
	adapter.addSockets = (opts, rooms) => {
		if (opts.flags?.local) {
			Adapter.prototype.addSockets.call(adapter, opts, rooms);
			return;
		}
		publish(opts, { type: SOCKETS_JOIN, data: { opts: encodeOptions(opts), rooms } });
	};
	adapter.delSockets = (opts, rooms) => {
		if (opts.flags?.local) {
			Adapter.prototype.delSockets.call(adapter, opts, rooms);
			return;
		}
		publish(opts, { type: SOCKETS_LEAVE, data: { opts: encodeOptions(opts), rooms } });
	};
	adapter.disconnectSockets = (opts, close) => {
		if (opts.flags?.local) {
			Adapter.prototype.disconnectSockets.call(adapter, opts, close);
			return;
		}
		publish(opts, { type: DISCONNECT_SOCKETS, data: { opts: encodeOptions(opts), close } });
	};
}

function replaceRequests(adapter: OfficialAdapter, { attendance, requests, acknowledgements }: NamespaceDeps): void {
	const { onMessage, onResponse, publishResponse } = adapter;
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
