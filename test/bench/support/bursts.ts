/** Steady streams of messages that the servers send by themselves, at a given rate. */
import { setTimeout as delay } from 'node:timers/promises';
import { measureCpu } from './proc.ts';
import type { SocketClient } from './socket-client.ts';

export interface Burst {
	readonly rooms: readonly string[];
	readonly count: number;
	readonly perSecond: number;
	/** Length of the text in each message. */
	readonly bytes: number;
}

/** For what is still under way when the last message has been sent. */
const SETTLE_MS = 1000;

/** Lets the server that `client` is connected to send; resolves when it has sent the last one. */
export async function sendBurst(client: SocketClient, burst: Burst): Promise<void> {
	await client.request('burst', burst);
}

export interface BurstCost {
	/** What is used beyond idling, in ms. */
	readonly cpuMs: number;
	readonly idlePercent: number;
	readonly perSecond: number;
}

/** CPU of the trees of `roots` while `work` sends `count` messages, less what they use in as long a time when nothing is sent. */
export async function measureBurst(
	roots: readonly number[],
	count: number,
	idleMs: number,
	work: () => Promise<unknown>,
): Promise<BurstCost> {
	const idle = await measureCpu(roots, () => delay(idleMs));
	let sendingMs = 0;
	const busy = await measureCpu(roots, async () => {
		const startedAt = performance.now();
		await work();
		sendingMs = performance.now() - startedAt;
		await delay(SETTLE_MS);
	});
	const idleShare = idle.cpuMs / idle.wallMs;
	return { cpuMs: busy.cpuMs - idleShare * busy.wallMs, idlePercent: idleShare * 100, perSecond: (count * 1000) / sendingMs };
}
