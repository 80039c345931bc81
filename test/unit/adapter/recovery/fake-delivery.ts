/** The log and the rooms that are subscribed to, without Redis: every room is live at once, and what was missed is what `log` has. */
import type { Delivery } from '../../../../src/adapter/delivery.ts';
import type { StreamEntry } from '../../../../src/stream/entry.ts';
import { isAfter, type StreamOffset } from '../../../../src/stream/offset.ts';

export class FakeDelivery {
	readonly isLive = true;
	/** In order. */
	readonly log: StreamEntry[] = [];
	/** Room -> how many need it. */
	readonly held = new Map<string, number>();
	/** The rooms of each read, and between which ids. */
	readonly reads: { readonly rooms: readonly string[]; readonly from: StreamOffset; readonly to: StreamOffset }[] = [];
	/** Runs before a read is answered; what it gives is the answer. */
	onRead: (round: number) => Promise<'trimmed' | undefined> = () => Promise.resolve(undefined);
	onJoin: (room: string) => Promise<void> | undefined = () => undefined;

	join(_nsp: string, room: string): Promise<void> | undefined {
		this.held.set(room, (this.held.get(room) ?? 0) + 1);
		return this.onJoin(room);
	}

	leave(_nsp: string, room: string): void {
		const left = (this.held.get(room) ?? 0) - 1;
		if (left === 0) {
			this.held.delete(room);
		} else {
			this.held.set(room, left);
		}
	}

	/** As the index: what is for other rooms is left out. */
	async readMissed(nsp: string, rooms: readonly string[], from: StreamOffset, to: StreamOffset): Promise<StreamEntry[] | 'trimmed'> {
		this.reads.push({ rooms, from, to });
		const isWanted = (entry: StreamEntry): boolean =>
			entry.nsp === nsp && (entry.rooms === undefined || entry.rooms.some((room) => rooms.includes(room)));
		const found = this.log.filter((entry) => isWanted(entry) && isAfter(entry.id, from) && !isAfter(entry.id, to));
		return (await this.onRead(this.reads.length)) ?? found;
	}

	get asDelivery(): Delivery {
		return this as unknown as Delivery;
	}
}

/** An event, or for other types of entries `content`, for the room `to`. */
export function missedEntry(ms: number, to: string, content: string | { readonly type: number; readonly moved?: string }): StreamEntry {
	const opts = { rooms: [to], except: [], flags: {} };
	const [type, rest] =
		typeof content === 'string'
			? [3, { packet: { type: 2, data: [content] } }]
			: [content.type, content.moved === undefined ? {} : { rooms: [content.moved] }];
	const data = JSON.stringify({ opts, ...rest });
	return { id: `${ms}-0` as StreamOffset, uid: 'u', nsp: '/', type, data, mark: undefined, rooms: [to] };
}
