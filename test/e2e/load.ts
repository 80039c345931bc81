/** Clients and messages around a disturbance. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Crowd, Sum } from './ledger.ts';

export interface Load {
	readonly clients: number;
	/** Messages to each client. */
	readonly perSecond: number;
	/** Short ids of the pods that may hold the client that publishes. */
	readonly publishOn?: ReadonlySet<string>;
}

/** At the end each client has to be back, with every message once, unless it was told that it has missed some. */
export async function underLoad(t: TestContext, crowd: Crowd, load: Load, disturb: () => Promise<void>): Promise<Sum> {
	t.after(() => crowd.close());
	await crowd.open(load.clients);
	await crowd.publish(load.perSecond, (pod) => load.publishOn?.has(pod) ?? true);
	await disturb();
	const sum = await crowd.settle();
	t.diagnostic(JSON.stringify(sum));
	assert.equal(crowd.connected(), load.clients);
	assert.ok(sum.acknowledged > 0);
	assert.equal(sum.lost, 0);
	assert.equal(sum.repeated, 0);
	return sum;
}
