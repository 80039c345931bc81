/** A fleet's log in a real Redis, written with the scripts themselves, and a listener for everything that they push. */
import { Redis } from 'ioredis';
import type { RedisConnection } from '../../src/redis/client.ts';
import { createScript } from '../../src/redis/script.ts';
import { formatRooms } from '../../src/stream/entry.ts';
import type { StreamOffset } from '../../src/stream/offset.ts';
import { PUBLISH_SCRIPT } from '../../src/stream/publish-script.ts';
import { routesOf } from '../../src/stream/route.ts';
import { RouteArguments } from '../../src/stream/route-script.ts';
import type { Scope, TestRedis } from './redis-server.ts';
import { waitFor } from './wait.ts';

export const RETENTION_MS = 600_000;
/** Of the publisher of a stage, unless another one is named. */
export const PUBLISHER = 'p';
const SCRIPT = createScript(PUBLISH_SCRIPT);

export interface Message {
	readonly data: string;
	readonly nsp?: string;
	readonly rooms?: readonly unknown[];
}

export interface Batch {
	readonly messages: readonly Message[];
	/** Of the first message. */
	readonly sequence?: number;
	readonly acknowledged?: number;
	readonly publisher?: string;
	readonly maxLen?: number;
	readonly retentionMs?: number;
	readonly connection?: RedisConnection;
}

let stages = 0;

/** One server for all tests of a file; each has a log of its own. */
export class LogStage {
	readonly stream = `stage${++stages}:stream`;
	readonly epochKey = `${this.stream}:epoch`;
	readonly bounds = `${this.stream}:bounds`;
	readonly redis: Redis;
	/** Channel, without the name of the log, and payload of each push. */
	readonly pushed: [channel: string, payload: string][] = [];
	readonly #server: TestRedis;
	readonly #scope: Scope;

	private constructor(scope: Scope, server: TestRedis) {
		this.#scope = scope;
		this.#server = server;
		this.redis = this.connect();
	}

	static async open(scope: Scope, server: TestRedis): Promise<LogStage> {
		const stage = new LogStage(scope, server);
		const listener = stage.connect();
		listener.on('pmessage', (_pattern: string, channel: string, payload: string) => {
			stage.pushed.push([channel.slice(stage.stream.length), payload]);
		});
		await listener.psubscribe(`${stage.stream}:*`);
		return stage;
	}

	connect(user?: string): Redis {
		const connection = new Redis(this.#server.url, {
			replyMapping: 'legacy',
			...(user === undefined ? {} : { username: user, password: 'x' }),
		});
		this.#scope.after(() => connection.disconnect());
		return connection;
	}

	/** A connection of a user that may do everything but what `rules` take away. */
	async connectAs(user: string, ...rules: readonly string[]): Promise<Redis> {
		await this.redis.call('ACL', 'SETUSER', user, 'reset', 'on', '>x', '+@all', ...rules);
		return this.connect(user);
	}

	/** Runs the publish script as the publisher does; rejects as it does. */
	async publish(batch: Batch): Promise<{ readonly epoch: string; readonly ids: readonly StreamOffset[] }> {
		const { messages, sequence = 1, acknowledged = 0, publisher = PUBLISHER, maxLen = 1_000_000 } = batch;
		const { retentionMs = RETENTION_MS, connection = this.redis } = batch;
		const routed = new RouteArguments([this.stream, this.publisherKey(publisher), this.epochKey, this.bounds]);
		const args: (string | number)[] = [publisher, sequence, acknowledged, retentionMs, maxLen, 'PUBLISH'];
		for (const { data, nsp = '/', rooms = [] } of messages) {
			args.push('u', nsp, 3, data, formatRooms(rooms) ?? '');
			routed.add(args, routesOf(this.stream, nsp, rooms));
		}
		const [epoch = '', ...ids] = (await SCRIPT.run(connection, routed.keys, args)) as string[];
		return { epoch, ids: ids as StreamOffset[] };
	}

	/** A batch of no messages: asks for the rights with an index stream. */
	async probe(index: string, connection: RedisConnection = this.redis): Promise<string> {
		const keys = [this.stream, this.publisherKey('probe'), this.epochKey, this.bounds, index];
		const [epoch = ''] = (await SCRIPT.run(connection, keys, ['probe', 1, 0, RETENTION_MS, 1_000_000, 'PUBLISH'])) as string[];
		return epoch;
	}

	publisherKey(publisher: string): string {
		return `${this.stream}:publisher:${publisher}`;
	}

	/** `data` of all that is on the log. */
	async log(): Promise<string[]> {
		return (await this.redis.xrange(this.stream, '-', '+')).map(([, fields]) => fields[fields.indexOf('data') + 1] ?? '');
	}

	/** The references of an index stream: `id nsp room nsp room ...`. */
	async index(name: string): Promise<string[]> {
		return (await this.redis.xrange(name, '-', '+')).map(([id, fields]) => [id, ...fields].join(' '));
	}

	/** All that was pushed up to now. Pushes come in the order in which they were sent. */
	async takePushed(): Promise<readonly (readonly [channel: string, payload: string])[]> {
		const end = `end ${Math.random()}`;
		await this.redis.publish(`${this.stream}:end`, end);
		await waitFor('the pushes to come', () => this.pushed.at(-1)?.[1] === end);
		this.pushed.pop();
		return this.pushed.splice(0);
	}
}
