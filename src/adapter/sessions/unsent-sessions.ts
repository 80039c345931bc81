/**
 * Clients that were sent no offset yet, by namespace and room: nobody can come back without one, so that nothing of them is saved.
 * Who is sent something leaves this for good: a message costs nothing for those who were sent one before, however many they are.
 */
import type { LiveSession } from './live-session.ts';
import type { Room } from './record.ts';

const NONE: readonly LiveSession[] = [];

export class UnsentSessions {
	readonly #namespaces = new Map<string, UnsentInNamespace>();

	has({ nsp, socket }: LiveSession): boolean {
		return this.#namespaces.get(nsp)?.byId.has(socket.id) ?? false;
	}

	add(session: LiveSession): void {
		let namespace = this.#namespaces.get(session.nsp);
		if (namespace === undefined) {
			namespace = new UnsentInNamespace();
			this.#namespaces.set(session.nsp, namespace);
		}
		namespace.byId.set(session.socket.id, session);
		namespace.join(session, session.rooms);
	}

	join(session: LiveSession, rooms: Iterable<Room>): void {
		if (this.has(session)) {
			this.#namespaces.get(session.nsp)?.join(session, rooms);
		}
	}

	leave(session: LiveSession, room: Room): void {
		this.#namespaces.get(session.nsp)?.leave(session, room);
	}

	delete(session: LiveSession): void {
		const namespace = this.#namespaces.get(session.nsp);
		if (!namespace?.byId.delete(session.socket.id)) {
			return;
		}
		for (const room of session.rooms) {
			namespace.leave(session, room);
		}
		if (namespace.byId.size === 0) {
			this.#namespaces.delete(session.nsp);
		}
	}

	clear(): void {
		this.#namespaces.clear();
	}

	/**
	 * Takes out who is sent a message for these rooms; none are all. Those that `except` leaves out are taken, too: they are saved earlier
	 * than they need, and not looked at again with each message that leaves them out.
	 */
	take(nsp: string, rooms: ReadonlySet<Room>): Iterable<LiveSession> {
		const namespace = this.#namespaces.get(nsp);
		if (namespace === undefined) {
			return NONE;
		}
		if (rooms.size === 0) {
			this.#namespaces.delete(nsp);
			return namespace.byId.values();
		}
		const taken = namespace.membersOf(rooms);
		for (const session of taken) {
			this.delete(session);
		}
		return taken;
	}
}

class UnsentInNamespace {
	/** By the socket's id, which is the name of its own room, too. */
	readonly byId = new Map<Room, LiveSession>();
	/** All other rooms. */
	readonly #byRoom = new Map<Room, Set<LiveSession>>();

	join(session: LiveSession, rooms: Iterable<Room>): void {
		for (const room of rooms) {
			if (room === session.socket.id) {
				continue;
			}
			const members = this.#byRoom.get(room);
			if (members) {
				members.add(session);
			} else {
				this.#byRoom.set(room, new Set([session]));
			}
		}
	}

	leave(session: LiveSession, room: Room): void {
		const members = this.#byRoom.get(room);
		if (members?.delete(session) && members.size === 0) {
			this.#byRoom.delete(room);
		}
	}

	membersOf(rooms: ReadonlySet<Room>): Set<LiveSession> {
		const found = new Set<LiveSession>();
		for (const room of rooms) {
			const owner = this.byId.get(room);
			if (owner) {
				found.add(owner);
			}
			for (const session of this.#byRoom.get(room) ?? NONE) {
				found.add(session);
			}
		}
		return found;
	}
}
