import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createSilentLogger } from '../../../src/base/log.ts';
import { type CordonOptions, Shedder } from '../../../src/primary/shedder.ts';

/** Two workers that close what they are asked to evenly over the time, and the sessions that were closed in each second. */
function simulate(sessions: [number, number]) {
	const perSecond: number[] = [];
	const timers: { readonly at: number; readonly run: () => void }[] = [];
	let now = 0;
	const after = (ms: number, run: () => void): void => {
		timers.push({ at: now + ms, run });
	};
	const shedder = new Shedder(
		{
			askAll: async () => {
				await Promise.resolve();
				return sessions.map((count, slot) => ({ slot, value: { sessions: count } })) as never;
			},
			send: (slot: number, message: object) => {
				const { count, spreadMs } = message as { count: number; spreadMs: number };
				for (let index = 0; index < count; index++) {
					after(((index + 0.5) / count) * spreadMs, () => {
						sessions[slot as 0 | 1]--;
						const second = Math.floor(now / 1000);
						perSecond[second] = (perSecond[second] ?? 0) + 1;
					});
				}
			},
		} as ConstructorParameters<typeof Shedder>[0],
		createSilentLogger(),
		{ now: () => now, sleep: (ms) => new Promise((resolve) => after(ms, resolve)) },
	);
	const pass = async (ms: number): Promise<void> => {
		for (const end = now + ms; now < end; now += 50) {
			for (const timer of timers.filter(({ at }) => at <= now)) {
				timers.splice(timers.indexOf(timer), 1);
				timer.run();
				await setImmediate();
			}
			await setImmediate();
		}
	};
	return { shedder, perSecond, pass, left: () => sessions[0] + sessions[1] };
}

const CALM: CordonOptions = { delayMs: 1000, spreadMs: 4000, maxPerSecond: 0 };

test('out of service: after the delay, evenly over the time, and then whatever still comes', async () => {
	const sessions: [number, number] = [30, 50];
	const { shedder, perSecond, pass, left } = simulate(sessions);
	shedder.cordon(CALM);
	await pass(1000);
	assert.equal(left(), 80, 'not before the delay is over');
	await pass(6000);
	assert.equal(left(), 0);
	assert.ok(Math.max(...perSecond.filter(Boolean)) <= 22, perSecond.join());
	sessions[0] = 3;
	await pass(3000);
	assert.equal(left(), 0);
});

test('a budget: no second has more, however short the time that was asked for, late clients included', async () => {
	const sessions: [number, number] = [30, 50];
	const { shedder, perSecond, pass, left } = simulate(sessions);
	shedder.cordon({ delayMs: 0, spreadMs: 1000, maxPerSecond: 10 });
	await pass(4000);
	sessions[1] += 20;
	await pass(9000);
	assert.equal(left(), 0);
	assert.ok(Math.max(...perSecond.filter(Boolean)) <= 11, perSecond.join());
	assert.equal(
		perSecond.filter(Boolean).reduce((sum, each) => sum + each, 0),
		100,
	);
});

test('back in service: what was not asked for yet stays open', async () => {
	const { shedder, pass, left } = simulate([100, 100]);
	shedder.cordon({ delayMs: 0, spreadMs: 100_000, maxPerSecond: 0 });
	await pass(10_000);
	shedder.uncordon();
	await pass(3000);
	const afterwards = left();
	assert.ok(afterwards > 170 && afterwards < 200, String(afterwards));
	await pass(30_000);
	assert.equal(left(), afterwards);
});
