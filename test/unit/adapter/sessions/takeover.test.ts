import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Takeover } from '../../../../src/adapter/sessions/takeover.ts';
import { createSilentLogger } from '../../../../src/base/log.ts';
import { loadConfig } from '../../../../src/config/load.ts';
import type { RedisHandle } from '../../../../src/redis/client.ts';
import { redisKeysOf } from '../../../../src/redis/keys.ts';
import type { ChannelListener, Subscriptions } from '../../../../src/redis/subscriptions.ts';

/** Workers whose pub/sub has `nodes` nodes; `PUBLISH` reports the listeners of one of them, as a Cluster does. */
class FakePubSub {
	readonly published: string[] = [];
	readonly #listeners = new Map<string, ChannelListener>();
	readonly #nodes: number;

	constructor(nodes: number) {
		this.#nodes = nodes;
	}

	createTakeover(t: TestContext, worker: string, release = (): Promise<void> => Promise.resolve()): Takeover {
		const { config } = loadConfig({ env: {}, flags: {}, cwd: '/nonexistent' });
		const node = { pubsub: (_: 'NUMSUB', channel: string) => Promise.resolve([channel, this.#listeners.has(channel) ? 1 : 0]) };
		const commands = {
			isCluster: this.#nodes > 1,
			pubsub: node.pubsub,
			publish: (channel: string, payload: string) => {
				this.published.push(channel);
				const listener = this.#listeners.get(channel);
				queueMicrotask(() => listener?.(Buffer.from(payload)));
				return Promise.resolve(listener && this.#nodes === 1 ? 1 : 0);
			},
			...(this.#nodes > 1 ? { nodes: () => Array.from({ length: this.#nodes }, (_, i) => (i === 0 ? node : emptyNode)) } : {}),
		};
		const subscriptions = {
			add: (channel: string, listener: ChannelListener) => this.#listeners.set(channel, listener),
			remove: (channel: string) => this.#listeners.delete(channel),
		} as unknown as Subscriptions;
		const redis = { commands } as unknown as RedisHandle;
		const takeover = new Takeover({ redis, keys: redisKeysOf(config), subscriptions, log: createSilentLogger(), worker, release });
		t.after(() => takeover.close());
		return takeover;
	}
}

const emptyNode = { pubsub: (_: 'NUMSUB', channel: string) => Promise.resolve([channel, 0]) };

// Time stands still: what waits for the timeout waits for ever.
for (const nodes of [1, 3]) {
	test(`an owner that is gone is not waited for, on ${nodes === 1 ? 'one server' : 'a Cluster'}`, { timeout: 5000 }, async (t) => {
		t.mock.timers.enable({ apis: ['setTimeout'] });
		const takeover = new FakePubSub(nodes).createTakeover(t, 'here');
		await takeover.ask('gone', 'pid');
	});

	test(`an owner that is there lets go first, on ${nodes === 1 ? 'one server' : 'a Cluster'}`, { timeout: 5000 }, async (t) => {
		t.mock.timers.enable({ apis: ['setTimeout'] });
		const pubSub = new FakePubSub(nodes);
		const released: string[] = [];
		pubSub.createTakeover(t, 'there', () => new Promise((resolve) => setImmediate(() => resolve(void released.push('pid')))));
		await pubSub.createTakeover(t, 'here').ask('there', 'pid');
		assert.deepEqual(released, ['pid']);
	});
}

test('a worker does not ask itself', { timeout: 5000 }, async (t) => {
	t.mock.timers.enable({ apis: ['setTimeout'] });
	const pubSub = new FakePubSub(1);
	await pubSub.createTakeover(t, 'here').ask('here', 'pid');
	assert.deepEqual(pubSub.published, []);
});
