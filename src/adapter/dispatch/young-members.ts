/**
 * Members of rooms who joined after messages that are still to be dispatched here: those were for who was there before. Empty most of the
 * time, since a worker dispatches at once what it hears of, unless rooms are being joined.
 */
import { isAfter, type StreamOffset } from '../../stream/offset.ts';
import type { Position } from '../position.ts';
import type { Room } from '../sessions/record.ts';

export class YoungMembers {
	readonly #position: Position;
	/** By socket and room: messages up to there are not for it. */
	readonly #since = new Map<string, Map<Room, StreamOffset>>();

	constructor(position: Position) {
		this.#position = position;
	}

	/** The socket joins that room now. */
	join(id: string, room: Room): void {
		const { cursor, joinedAt } = this.#position;
		if (cursor === undefined || !isAfter(joinedAt, cursor)) {
			return;
		}
		const rooms = this.#since.get(id) ?? new Map<Room, StreamOffset>();
		this.#since.set(id, rooms.set(room, joinedAt));
	}

	/** Sockets for which the message at the cursor is not, though they are in one of its rooms (none: it is for all) now. */
	outsiders(rooms: readonly Room[], roomsOf: (id: string) => ReadonlySet<Room> | undefined): readonly string[] {
		const found: string[] = [];
		for (const [id, since] of this.#since) {
			this.#forgetPassed(id, since);
			const own = roomsOf(id);
			// Everyone is in the room of its own id from the beginning.
			const reasons = rooms.length === 0 ? [id] : rooms.filter((room) => own?.has(room));
			if (reasons.length > 0 && reasons.every((room) => since.has(room))) {
				found.push(id);
			}
		}
		return found;
	}

	#forgetPassed(id: string, since: Map<Room, StreamOffset>): void {
		const { cursor } = this.#position;
		for (const [room, offset] of since) {
			if (cursor !== undefined && isAfter(cursor, offset)) {
				since.delete(room);
			}
		}
		if (since.size === 0) {
			this.#since.delete(id);
		}
	}
}
