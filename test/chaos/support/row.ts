/** One row of the table of failures: the same scenario must fail on the official adapter as it comes, and hold on ours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { io as connect, type Socket } from 'socket.io-client';
import { lastFirst } from '../../support/last-first.ts';
import { type Scope, startRedis, type TestRedis } from '../../support/redis-server.ts';
import { type WaitOptions, waitFor } from '../../support/wait.ts';
import { type NodeProcess, startNode } from './node-process.ts';
import type { Kind, NodeSpec } from './protocol.ts';

export const STREAM = 'socketfleet:default:stream';

export interface Stage {
	readonly t: Scope;
	readonly kind: Kind;
	readonly redis: TestRedis;
	/** A server of this kind on the stage's Redis. */
	start(spec?: Partial<NodeSpec>): Promise<NodeProcess>;
	/** What the official adapter does not do is waited for shortly: it will not come. */
	wait<T>(what: string, probe: Parameters<typeof waitFor<T>>[1]): Promise<T>;
}

export interface Row {
	readonly number: number;
	readonly name: string;
	/** How it shows on the official adapter, so that it can't fail there for another reason. */
	readonly officially: RegExp;
	readonly redisArgs?: readonly string[];
	readonly scenario: (stage: Stage) => Promise<void>;
}

const OFFICIAL_PATIENCE: WaitOptions = { timeoutMs: 4000 };
const PATIENCE: WaitOptions = { timeoutMs: 60_000 };

export function testRow(row: Row): void {
	test(`row ${row.number}: ${row.name}`, async (t) => {
		await t.test('fails on the official adapter', async (child) => {
			await assert.rejects(runScenario(row, lastFirst(child), 'official'), row.officially);
		});
		await t.test('holds on ours', (child) => runScenario(row, lastFirst(child), 'ours'));
	});
}

async function runScenario({ scenario, redisArgs }: Row, t: Scope, kind: Kind): Promise<void> {
	const redis = await startRedis(t, redisArgs ? { args: redisArgs } : {});
	await scenario({
		t,
		kind,
		redis,
		start: (spec = {}) => startNode(t, { kind, redisUrl: redis.url, ...spec }),
		wait: (what, probe) => waitFor(what, probe, kind === 'ours' ? PATIENCE : OFFICIAL_PATIENCE),
	});
}

export interface RowClient {
	readonly socket: Socket;
	/** Of each connect: whether it was recovered. */
	readonly connects: readonly boolean[];
	/** First argument of every event of that name, in order. */
	of(event: string): readonly unknown[];
	/** Last argument of every event: what the client keeps as its offset. */
	readonly offsets: readonly unknown[];
}

export interface RowClientOptions {
	readonly rooms?: readonly string[];
	readonly auth?: Readonly<Record<string, unknown>>;
	readonly path?: string;
	readonly reconnection?: boolean;
	/** Do not wait for it to be connected. */
	readonly wait?: boolean;
}

/** A stock client. */
export async function join(t: Scope, url: string, options: RowClientOptions = {}): Promise<RowClient> {
	const socket = connect(`${url}${options.path ?? ''}`, {
		transports: ['websocket'],
		forceNew: true,
		reconnection: options.reconnection ?? true,
		reconnectionDelay: 50,
		reconnectionDelayMax: 200,
		auth: { rooms: options.rooms ?? [], ...options.auth },
	});
	t.after(() => void socket.disconnect());
	const connects: boolean[] = [];
	const events: unknown[][] = [];
	const offsets: unknown[] = [];
	socket.on('connect', () => connects.push(socket.recovered));
	socket.onAny((...event: unknown[]) => {
		events.push(event);
		offsets.push(event.at(-1));
	});
	const client: RowClient = { socket, connects, offsets, of: (name) => events.filter(([event]) => event === name).map(([, arg]) => arg) };
	if (options.wait !== false) {
		await waitFor('a client to connect', () => socket.connected, PATIENCE);
	}
	return client;
}

/** The client has been sent something, and so knows where it is in the stream. */
export async function giveOffset(node: NodeProcess, ...clients: readonly RowClient[]): Promise<void> {
	await waitFor('every client to hear', async () => {
		await node.order('emit', { args: ['hello', 'x'] });
		return clients.every((client) => client.of('hello').length > 0);
	});
}

/** The client loses its connection without saying good-bye, and stays away until it is let back. */
export function drop(client: RowClient): { letBack(): void } {
	client.socket.io.reconnection(false);
	client.socket.io.engine.close();
	return {
		letBack: () => {
			client.socket.io.reconnection(true);
			client.socket.connect();
		},
	};
}
