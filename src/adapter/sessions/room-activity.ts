/**
 * The last entry that was delivered here to each room. Tells of a client in a quiet room, whose offset is old, that nothing was sent to
 * it since: what it may have missed begins where it was last known to be connected.
 */
import { isAfter, STREAM_START, type StreamOffset } from '../../stream/offset.ts';
import type { Room } from './record.ts';

export class RoomActivity {
	readonly #last = new Map<Room, StreamOffset>();
	#lastToAll: StreamOffset = STREAM_START;

	noteAll(id: StreamOffset): void {
		this.#lastToAll = id;
	}

	note(room: Room, id: StreamOffset): void {
		this.#last.set(room, id);
	}

	/** Nobody is in it any more. */
	forget(room: Room): void {
		this.#last.delete(room);
	}

	/** No entry after this one was for a client in these rooms. */
	latestFor(rooms: Iterable<Room>): StreamOffset {
		let latest = this.#lastToAll;
		for (const room of rooms) {
			const last = this.#last.get(room);
			if (last !== undefined && isAfter(last, latest)) {
				latest = last;
			}
		}
		return latest;
	}
}
