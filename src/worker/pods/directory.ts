/**
 * Which pods the fleet has, and where. Each worker keeps its own copy; the truth is one hash in Redis.
 * A peer is dropped only on an answer from Redis, and by Redis' own clock: a frozen Redis never expires the fleet.
 */
import { randomUUID } from 'node:crypto';
import type { DeliveryMode } from '../../adapter/delivery.ts';
import { backoffMs } from '../../base/backoff.ts';
import { sleep } from '../../base/deadline.ts';
import { messageOf } from '../../base/errors.ts';
import type { Closable } from '../../base/lifecycle.ts';
import type { Logger } from '../../base/log.ts';
import type { Config } from '../../config/schema.ts';
import type { Load } from '../../metrics/load.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { RedisHandle } from '../../redis/client.ts';
import { type RedisKeys, redisKeysOf } from '../../redis/keys.ts';
import { type BeatAnswer, PeerTable, type PodRecord, parseBeatAnswer } from './pod-table.ts';

export type { PodRecord } from './pod-table.ts';

const BEAT_EVERY_MS = 2000;
/** At most one look for pods that are not known in this time. */
const REFRESH_EVERY_MS = 100;
const REFRESH_TIMEOUT_MS = 1000;
/** A peer that was silent for this long is gone. */
export const PEER_EXPIRY_MS = 30_000;

export interface DirectorySelf {
	readonly pod: string;
	/** One for all workers of a pod; another one under the same pod id means that the id is taken. */
	readonly incarnation: string;
	readonly host: string;
	readonly internalPort: number;
	readonly workers: number;
}

export interface PodAddress {
	readonly host: string;
	readonly port: number;
}

/** `indexedSince`: every message after that time, in ms by Redis' clock, is in the index. */
export type DeliveryListener = (mode: DeliveryMode, indexedSince: number) => void;

export interface Directory extends Closable {
	/** Claims the pod id and begins to beat. `away`: Redis did not answer; the claim is tried again in the background. */
	start(): Promise<'ok' | 'taken' | 'away'>;
	/** A pod that is not known is looked for in Redis: it may be younger than the last heartbeat. Never rejects. */
	find(pod: string): Promise<PodAddress | undefined>;
	/** All known pods, this one included once it has claimed its id. */
	pods(): readonly PodRecord[];
	/** Another incarnation holds our pod id. */
	onTaken(listener: () => void): void;
	/** How messages are to reach the workers, as the fleet agrees: told with every heartbeat. */
	onDelivery(listener: DeliveryListener): void;
}

export interface DirectoryDeps {
	readonly redis: RedisHandle;
	readonly config: Config;
	readonly log: Logger;
	readonly metrics: Metrics;
	readonly self: DirectorySelf;
	/** What this worker does: told to the fleet with every heartbeat. */
	readonly load: () => Promise<Load>;
}

/** That long after the last pod of a version that does not route, or that is told to follow, all others may rely on the index. */
const FOLLOW_AFTER_MS = 60_000;

/**
 * Claims or refreshes a pod, clears records that nobody can need any more, returns the time, how messages are delivered, and every record.
 * A record: { incarnation, host, port, workers, delivery, at, left, members: { <worker's uuid>: at }, loads: { <worker's uuid>: load } }.
 *
 * KEYS: the records, how messages are delivered (`follow` and when somebody last needed to, or `routed` and since when), the stream.
 * Messages are routed when no live pod has anything else than `auto` for `delivery`, and has not had for a while. A pod of the version before
 * has none: it writes the stream, and neither index nor pushes, and may have come and gone while no other was there. Where nobody has written
 * anything there is nothing to wait for.
 */
const BEAT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local mine = cjson.decode(ARGV[2])
local found = redis.call('HGET', KEYS[1], ARGV[1])
local members, loads = {}, {}
if found then
	local record = cjson.decode(found)
	if record.incarnation ~= mine.incarnation and now - record.at < tonumber(ARGV[4]) then
		return { 'taken', now }
	end
	if record.incarnation == mine.incarnation then members, loads = record.members, record.loads or {} end
end
for id, at in pairs(members) do
	if now - at > tonumber(ARGV[5]) then members[id], loads[id] = nil, nil end
end
members[ARGV[3]] = now
loads[ARGV[3]] = cjson.decode(ARGV[6])
mine.at = now
mine.members = members
mine.loads = loads
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(mine))
local all = redis.call('HGETALL', KEYS[1])
local answer, needsFollowing, otherAt = { 'ok', now, '' }, false, 0
for i = 1, #all, 2 do
	local record = cjson.decode(all[i + 1])
	if record.delivery ~= 'auto' then
		otherAt = math.max(otherAt, record.at)
		if not record.left and now - record.at < tonumber(ARGV[5]) then needsFollowing = true end
	end
	if now - record.at >= tonumber(ARGV[4]) then
		redis.call('HDEL', KEYS[1], all[i])
	else
		answer[#answer + 1] = all[i]
		answer[#answer + 1] = all[i + 1]
	end
end
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[4]))
local delivery = redis.call('GET', KEYS[2]) or (ARGV[8] ~= '' and ARGV[8])
local mode, since = string.match(delivery or '', '(%a+) (%d+)')
if mode ~= 'follow' and otherAt > tonumber(since or 0) then needsFollowing = true end
if needsFollowing or (not mode and redis.call('EXISTS', KEYS[3]) == 1) then
	mode, since = 'follow', now
elseif not mode then
	mode, since = 'routed', 0
elseif mode == 'follow' and now - tonumber(since) >= tonumber(ARGV[7]) then
	mode, since = 'routed', now
end
answer[3] = mode .. ' ' .. since
redis.call('SET', KEYS[2], answer[3])
return answer
`;

/** The last worker to go marks the record, so that peers forget the pod at once and nobody reuses its id yet. */
const LEAVE = `
local found = redis.call('HGET', KEYS[1], ARGV[1])
if not found then return 0 end
local record = cjson.decode(found)
if record.incarnation ~= ARGV[2] then return 0 end
record.members[ARGV[3]] = nil
if record.loads then record.loads[ARGV[3]] = nil end
if next(record.members) == nil then
	record.left = true
end
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(record))
return 1
`;

export function createDirectory(deps: DirectoryDeps): Directory {
	return new RedisDirectory(deps);
}

class RedisDirectory implements Directory {
	readonly #deps: DirectoryDeps;
	readonly #keys: RedisKeys;
	readonly #member = randomUUID();
	readonly #peers = new PeerTable(BEAT_EVERY_MS, PEER_EXPIRY_MS);
	readonly #takenListeners: (() => void)[] = [];
	/** As the last answer said; a Redis that comes back empty is told. */
	#delivery = '';
	readonly #deliveryListeners: DeliveryListener[] = [];
	#timer: NodeJS.Timeout | undefined;
	#failures = 0;
	#taken = false;
	#closed = false;
	/** One that has not started. */
	#refresh: Promise<void> | undefined;
	#refreshedAt = Number.NEGATIVE_INFINITY;

	constructor(deps: DirectoryDeps) {
		this.#deps = deps;
		this.#keys = redisKeysOf(deps.config);
	}

	async start(): Promise<'ok' | 'taken' | 'away'> {
		const outcome = await this.#beat();
		this.#schedule();
		return outcome;
	}

	async find(pod: string): Promise<PodAddress | undefined> {
		const known = this.#known(pod);
		if (known) {
			return known;
		}
		this.#refresh ??= this.#refreshSoon();
		await this.#refresh;
		return this.#known(pod);
	}

	pods(): readonly PodRecord[] {
		return this.#peers.list();
	}

	onTaken(listener: () => void): void {
		this.#takenListeners.push(listener);
	}

	onDelivery(listener: DeliveryListener): void {
		this.#deliveryListeners.push(listener);
	}

	async close(): Promise<void> {
		if (this.#closed) {
			return;
		}
		this.#closed = true;
		clearTimeout(this.#timer);
		if (this.#taken || this.#deps.redis.state() === 'away') {
			return;
		}
		const { self, log } = this.#deps;
		try {
			await this.#deps.redis.commands.eval(LEAVE, 1, this.#keys.pods, self.pod, self.incarnation, this.#member);
		} catch (error) {
			log.warn({ err: messageOf(error) }, 'could not tell the fleet that this pod leaves; it will expire');
		}
	}

	#known(pod: string): PodAddress | undefined {
		const record = this.#peers.get(pod);
		return record && { host: record.host, port: record.port };
	}

	/** Who asks before it starts shares it; forged ids cost Redis no more than this. */
	async #refreshSoon(): Promise<void> {
		await sleep(Math.max(0, this.#refreshedAt + REFRESH_EVERY_MS - performance.now()));
		this.#refreshedAt = performance.now();
		this.#refresh = undefined;
		if (!this.#closed && !this.#taken) {
			await Promise.race([this.#beat(), sleep(REFRESH_TIMEOUT_MS)]);
		}
	}

	#schedule(): void {
		if (this.#closed || this.#taken) {
			return;
		}
		// Jitter keeps the workers of a fleet from beating in step.
		const delay = this.#failures === 0 ? BEAT_EVERY_MS : backoffMs(this.#failures, { minMs: 250, maxMs: BEAT_EVERY_MS });
		this.#timer = setTimeout(() => {
			void this.#beat().then(() => this.#schedule());
		}, delay);
		this.#timer.unref();
	}

	async #beat(): Promise<'ok' | 'taken' | 'away'> {
		let answer: BeatAnswer;
		try {
			answer = parseBeatAnswer(await this.#sendBeat());
		} catch (error) {
			this.#failures++;
			this.#deps.metrics.inc('socketfleet_redis_errors_total', { reason: 'heartbeat' }, 1);
			this.#deps.log.debug({ err: messageOf(error) }, 'heartbeat of this pod failed');
			return 'away';
		}
		this.#failures = 0;
		if (answer.kind === 'taken') {
			this.#onTaken();
			return 'taken';
		}
		this.#peers.update(answer.now, answer.records);
		this.#deps.metrics.set('socketfleet_pods', {}, this.#peers.list().length);
		this.#delivery = `${answer.delivery.mode} ${answer.delivery.indexedSince}`;
		for (const listener of this.#deliveryListeners) {
			listener(answer.delivery.mode, answer.delivery.indexedSince);
		}
		return 'ok';
	}

	async #sendBeat(): Promise<unknown> {
		const { self, config, redis } = this.#deps;
		const load = JSON.stringify(await this.#deps.load());
		const record = {
			incarnation: self.incarnation,
			host: self.host,
			port: self.internalPort,
			workers: self.workers,
			delivery: config.delivery,
		};
		const retainMs = config.recoveryWindowMs + PEER_EXPIRY_MS;
		const values = [self.pod, JSON.stringify(record), this.#member, retainMs, PEER_EXPIRY_MS, load, FOLLOW_AFTER_MS, this.#delivery];
		const { pods, delivery, stream } = this.#keys;
		return redis.commands.eval(BEAT, 3, pods, delivery, stream, ...values);
	}

	#onTaken(): void {
		if (this.#taken || this.#closed) {
			return;
		}
		this.#taken = true;
		this.#deps.log.error({ pod: this.#deps.self.pod }, 'another pod holds this id');
		for (const listener of this.#takenListeners) {
			listener();
		}
	}
}
