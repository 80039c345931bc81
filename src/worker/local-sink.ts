/** Where emits from outside go when there is no Redis: straight to the sockets of this pod. Nothing is kept. */
import { decode } from '@msgpack/msgpack';
import type { Namespace, Server } from 'socket.io';
import type { Adapter, BroadcastOptions, Room } from 'socket.io-adapter';
import { AppError } from '../base/errors.ts';
import type { EntrySink } from '../emit/http.ts';
import { WIRE_TYPES } from '../emit/message.ts';
import type { EmitterEntry, Receipt } from '../stream/append.ts';

/** What `message.ts` wrote. */
interface EntryData {
	readonly packet: { readonly type: number; readonly data: readonly unknown[]; readonly nsp: string };
	readonly opts: { readonly rooms: readonly Room[]; readonly except: readonly Room[]; readonly flags: object };
	readonly rooms: readonly Room[];
	readonly close: boolean;
}

/** Receipts are `local-1`, `local-2`, ...: no offset that a client could recover from. */
export function createLocalSink(io: Server): EntrySink {
	let count = 0;
	return {
		async write(entries) {
			const targets = entries.map((entry) => ({ entry, adapter: findNamespace(io, entry).adapter }));
			const receipts: Receipt[] = [];
			for (const { entry, adapter } of targets) {
				await apply(adapter, entry);
				count++;
				receipts.push({ id: `local-${count}` });
			}
			return receipts;
		},
	};
}

/** Before anything is sent: a batch is done whole or not at all. */
function findNamespace(io: Server, entry: EmitterEntry): Namespace {
	if (entry.onceKey !== undefined) {
		throw new AppError('ERR_VALIDATION', 'idempotencyKey needs Redis, which this pod has not');
	}
	const nsp = io._nsps.get(entry.nsp);
	if (nsp === undefined) {
		throw new AppError('ERR_NOT_FOUND', `namespace ${entry.nsp} is not open in this worker`);
	}
	return nsp;
}

async function apply(adapter: Adapter, entry: EmitterEntry): Promise<void> {
	const data = parseEntryData(entry.data);
	const opts: BroadcastOptions = { rooms: new Set(data.opts.rooms), except: new Set(data.opts.except), flags: data.opts.flags };
	switch (entry.type) {
		case WIRE_TYPES.broadcast:
			return adapter.broadcast(data.packet, opts);
		case WIRE_TYPES.socketsJoin:
			return adapter.addSockets(opts, [...data.rooms]);
		case WIRE_TYPES.socketsLeave:
			return adapter.delSockets(opts, [...data.rooms]);
		case WIRE_TYPES.disconnectSockets:
			return adapter.disconnectSockets(opts, data.close);
	}
}

function parseEntryData(text: string): EntryData {
	return (text.startsWith('{') ? JSON.parse(text) : decode(Buffer.from(text, 'base64'))) as EntryData;
}
