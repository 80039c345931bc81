/** What a Redis has sent to others than this benchmark. */
import { Redis } from 'ioredis';
import type { Scope } from '../../support/redis-server.ts';

export class RedisProbe {
	readonly #redis: Redis;

	constructor(scope: Scope, url: string) {
		this.#redis = new Redis(url);
		scope.after(() => this.#redis.disconnect());
	}

	/** Bytes sent to all clients so far, but for the answers to this probe. */
	async bytesSent(): Promise<number> {
		const text = await this.#redis.info('stats');
		const sent = Number(/^total_net_output_bytes:(\d+)/m.exec(text)?.[1]);
		// Redis counts a reply when it is written, so this very answer is not in its own figure yet.
		const own = this.#redis.stream.bytesRead - Buffer.byteLength(`$${Buffer.byteLength(text)}\r\n${text}\r\n`);
		return sent - own;
	}
}
