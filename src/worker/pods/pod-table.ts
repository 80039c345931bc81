/** The local copy of the directory: pure rules for who counts as alive. No clock of its own, only Redis' answers. */
import type { DeliveryMode } from '../../adapter/delivery.ts';
import { addLoads, type Load, NO_LOAD } from '../../metrics/load.ts';

export interface PodRecord {
	readonly pod: string;
	readonly host: string;
	readonly port: number;
	readonly workers: number;
	/** Redis' clock at the pod's last heartbeat, milliseconds. */
	readonly at: number;
	/** What its workers do, as they said with their last heartbeats; undefined for a pod whose version does not say. */
	readonly load: Load | undefined;
}

interface StoredRecord extends PodRecord {
	readonly left: boolean;
}

const LOAD_KEYS = Object.keys(NO_LOAD);

/** How messages are delivered, and since when, in ms by Redis' clock, every one of them is in the index. */
export interface AgreedDelivery {
	readonly mode: DeliveryMode;
	readonly indexedSince: number;
}

export type BeatAnswer =
	| { readonly kind: 'taken' }
	| { readonly kind: 'ok'; readonly now: number; readonly delivery: AgreedDelivery; readonly records: readonly StoredRecord[] };

/** The flat reply of the heartbeat script. Records that make no sense are left out. Throws when the reply itself does not. */
export function parseBeatAnswer(reply: unknown): BeatAnswer {
	if (!Array.isArray(reply) || typeof reply[1] !== 'number') {
		throw new TypeError('the heartbeat script gave an unknown answer');
	}
	if (reply[0] === 'taken') {
		return { kind: 'taken' };
	}
	const records: StoredRecord[] = [];
	for (let i = 3; i + 1 < reply.length; i += 2) {
		const record = parseRecord(String(reply[i]), String(reply[i + 1]));
		if (record !== undefined) {
			records.push(record);
		}
	}
	return { kind: 'ok', now: reply[1], delivery: parseDelivery(String(reply[2])), records };
}

function parseDelivery(text: string): AgreedDelivery {
	const [mode, since] = text.split(' ');
	return { mode: mode === 'routed' ? 'routed' : 'follow', indexedSince: Number(since) };
}

function parseRecord(pod: string, json: string): StoredRecord | undefined {
	let value: unknown;
	try {
		value = JSON.parse(json);
	} catch {
		// Written by something that is not a Socketfleet pod: there is no address to use.
		return undefined;
	}
	if (typeof value !== 'object' || value === null) {
		return undefined;
	}
	const { host, port, workers, at, left, loads } = value as Record<string, unknown>;
	if (typeof host !== 'string' || typeof port !== 'number' || typeof at !== 'number') {
		return undefined;
	}
	return { pod, host, port, at, workers: typeof workers === 'number' ? workers : 0, left: left === true, load: parseLoads(loads) };
}

/** By worker -> of the pod. */
function parseLoads(loads: unknown): Load | undefined {
	return typeof loads === 'object' && loads !== null ? addLoads(Object.values(loads).filter(isLoad)) : undefined;
}

function isLoad(value: unknown): value is Load {
	return (
		typeof value === 'object' && value !== null && LOAD_KEYS.every((key) => typeof (value as Record<string, unknown>)[key] === 'number')
	);
}

/** Last-known addresses. A peer ages only by time that passed between two answers, each gap capped, so a thaw ages nobody. */
export class PeerTable {
	readonly #maxStepMs: number;
	readonly #expiryMs: number;
	readonly #peers = new Map<string, { record: PodRecord; silentMs: number }>();
	#lastNow: number | undefined;

	constructor(beatEveryMs: number, expiryMs: number) {
		this.#maxStepMs = 2 * beatEveryMs;
		this.#expiryMs = expiryMs;
	}

	get(pod: string): PodRecord | undefined {
		return this.#peers.get(pod)?.record;
	}

	list(): readonly PodRecord[] {
		return [...this.#peers.values()].map(({ record }) => record);
	}

	update(now: number, records: readonly StoredRecord[]): void {
		const step = this.#lastNow === undefined ? 0 : Math.min(Math.max(0, now - this.#lastNow), this.#maxStepMs);
		this.#lastNow = now;
		for (const peer of this.#peers.values()) {
			peer.silentMs += step;
		}
		for (const { left, ...record } of records) {
			if (left) {
				this.#peers.delete(record.pod);
				continue;
			}
			const known = this.#peers.get(record.pod);
			if (known === undefined) {
				this.#peers.set(record.pod, { record, silentMs: Math.max(0, now - record.at) });
			} else if (known.record.at !== record.at) {
				known.record = record;
				known.silentMs = 0;
			}
		}
		// One that is missing from the answer (Redis came back empty) ages like one that is silent.
		for (const [pod, { silentMs }] of this.#peers) {
			if (silentMs > this.#expiryMs) {
				this.#peers.delete(pod);
			}
		}
	}
}
