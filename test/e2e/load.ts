/** Clients and messages around a disturbance. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Crowd, Sum } from './ledger.ts';

const BURNERS = 4;

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
	assert.equal(crowd.connected(), load.clients);
	assertNothingLost(t, sum);
	return sum;
}

export function assertNothingLost(t: TestContext, sum: Sum): void {
	t.diagnostic(JSON.stringify(sum));
	assert.ok(sum.acknowledged > 0);
	assert.equal(sum.lost, 0, sum.losers.join('\n'));
	assert.equal(sum.repeated, 0);
}

/** Keeps event loops busy through the application's own path, until the function that it gives is called. */
export function burn(t: TestContext, url: string): () => void {
	const stop = new AbortController();
	t.after(() => stop.abort());
	const loop = async (): Promise<void> => {
		while (!stop.signal.aborted) {
			await fetch(`${url}/?burnMs=100`, { signal: stop.signal }).then(
				(response) => response.text(),
				() => new Promise((resolve) => setTimeout(resolve, 100)),
			);
		}
	};
	for (let burner = 0; burner < BURNERS; burner++) {
		void loop();
	}
	return () => stop.abort();
}
