/** Watches how far back the stream goes: a recovery window longer than that is a promise that can't be kept. */
import { messageOf } from '../../base/errors.ts';
import type { Closable } from '../../base/lifecycle.ts';
import type { Logger } from '../../base/log.ts';
import type { Config } from '../../config/schema.ts';
import type { Metrics } from '../../metrics/registry.ts';
import type { RedisHandle } from '../../redis/client.ts';
import { readStreamInfo, type StreamInfo, trimmedCountOf } from '../../stream/info.ts';
import { timeOfOffset } from '../../stream/offset.ts';

export interface RetentionDeps {
	readonly redis: RedisHandle;
	readonly stream: string;
	readonly config: Config;
	readonly metrics: Metrics;
	readonly log: Logger;
	/** One worker of a pod looks. */
	isResponsible(): boolean;
}

const CHECK_EVERY_MS = 10_000;

export class RetentionWatch implements Closable {
	readonly #deps: RetentionDeps;
	readonly #timer: NodeJS.Timeout;
	#problem: string | undefined;

	constructor(deps: RetentionDeps) {
		this.#deps = deps;
		this.#timer = setInterval(() => {
			void this.#check();
		}, CHECK_EVERY_MS);
		this.#timer.unref();
	}

	/** A sentence while the stream is too short. */
	problem(): string | undefined {
		return this.#problem;
	}

	close(): void {
		clearInterval(this.#timer);
	}

	async #check(): Promise<void> {
		const { redis, stream, log } = this.#deps;
		if (!this.#deps.isResponsible()) {
			this.#problem = undefined;
			return;
		}
		try {
			this.#judge(await readStreamInfo(redis.commands, stream));
		} catch (error) {
			log.debug({ err: messageOf(error) }, 'the age of the stream is unknown');
		}
	}

	#judge(info: StreamInfo): void {
		const { config, metrics } = this.#deps;
		if (info.first === undefined || trimmedCountOf(info) === 0) {
			// Nothing has been trimmed yet: it is as long as anyone could ask for.
			this.#problem = undefined;
			return;
		}
		const retentionMs = timeOfOffset(info.last) - timeOfOffset(info.first);
		metrics.set('socketfleet_stream_retention_seconds', {}, retentionMs / 1000);
		const isShort = retentionMs < config.recoveryWindowMs && info.length >= config.streamMaxEntries;
		this.#problem = isShort
			? `the stream holds ${Math.round(retentionMs / 1000)} s of messages, less than the recovery window: raise streamMaxEntries`
			: undefined;
	}
}
