/** What an entry writer appends: entries in groups, the arguments of the append script, and what its answer says. Pure. */
import { createHash } from 'node:crypto';
import { AppError } from '../base/errors.ts';
import { formatRooms } from './entry.ts';
import { routesOf } from './route.ts';
import { RouteArguments } from './route-script.ts';

/** One entry in the wire format of the official streams adapter; `uid` is always `emitter`. */
export interface EmitterEntry {
	readonly nsp: string;
	/** Message type of socket.io-adapter, as a decimal string. */
	readonly type: string;
	/** JSON, or base64 of msgpack when it holds binary. */
	readonly data: string;
	/** Whom it is for; none: everyone in the namespace. */
	readonly rooms: readonly string[];
	/** Written once within the window of the writer. */
	readonly onceKey?: string;
}

/** The entry is in Redis. `duplicate`: it was there before, under the same key with the same content. */
export interface Receipt {
	/** Id of the stream entry, and so the recovery offset that clients get. */
	readonly id: string;
	readonly duplicate?: true;
}

/** The entries of one call: written whole or not at all. */
export interface Group {
	readonly entries: readonly EmitterEntry[];
	/** Length of their data. */
	readonly chars: number;
	/** Unix time in ms. */
	readonly expiresAt: number;
	settled: boolean;
	resolve(receipts: readonly Receipt[]): void;
	reject(error: AppError): void;
}

/** Keys of a fleet whose messages are routed, see tick-script.ts. */
export interface Routing {
	readonly bounds: string;
	readonly epoch: string;
}

/**
 * Keys and arguments of the append script, behind its first three arguments; see append-script.ts for their order. `routing`: undefined
 * when plain servers read the log and nothing is routed.
 */
export function buildAppend(
	groups: readonly Group[],
	stream: string,
	routing: Routing | undefined,
): { readonly keys: readonly string[]; readonly args: readonly (string | number)[] } {
	const routed = new RouteArguments([stream, routing?.bounds ?? stream, routing?.epoch ?? stream]);
	const args: (string | number)[] = [];
	for (const group of groups) {
		args.push(group.entries.length);
		for (const { nsp, type, data, rooms, onceKey } of group.entries) {
			args.push(nsp, type, data, formatRooms(rooms) ?? '');
			if (onceKey === undefined) {
				args.push(0, '');
			} else {
				args.push(routed.keys.push(onceKeyOf(stream, onceKey)), digestOf(nsp, type, data));
			}
			routed.add(args, routing === undefined ? [] : routesOf(stream, nsp, rooms));
		}
	}
	return { keys: routed.keys, args };
}

/** In Redis Cluster the key must live where the stream does: the stream's name is its hash tag. */
function onceKeyOf(stream: string, key: string): string {
	return stream.includes('{') ? `${stream}:once:${key}` : `{${stream}}:once:${key}`;
}

function digestOf(...parts: readonly string[]): string {
	return createHash('sha256').update(parts.join('\n')).digest('base64url');
}

/** Gives each group its share of the script's answer. */
export function settleAll(groups: readonly Group[], answer: unknown): void {
	const lines = Array.isArray(answer) ? answer.map(String) : [];
	let at = 0;
	for (const group of groups) {
		settle(group, readOutcome(group, lines.slice(at, at + group.entries.length)));
		at += group.entries.length;
	}
}

function readOutcome({ entries }: Group, lines: readonly string[]): readonly Receipt[] | AppError {
	const refused = lines.findIndex((line) => line.length > 1 && line.startsWith('!'));
	if (refused >= 0) {
		const [key, id] = [entries[refused]?.onceKey ?? '', lines[refused]?.slice(1) ?? ''];
		return new AppError('ERR_CONFLICT', `idempotency key "${key}" was used with other content, as ${id}; nothing was written`);
	}
	return lines.map((line) => (line.startsWith('=') ? { id: line.slice(1), duplicate: true } : { id: line }));
}

/** The first outcome counts: an answer after the deadline comes too late. */
export function settle(group: Group, outcome: readonly Receipt[] | AppError): void {
	if (group.settled) {
		return;
	}
	group.settled = true;
	if (outcome instanceof AppError) {
		group.reject(outcome);
	} else {
		group.resolve(outcome);
	}
}
