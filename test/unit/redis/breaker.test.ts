import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Breaker } from '../../../src/redis/breaker.ts';

test('open after a failure, probed with longer and longer pauses while it stays down, closed by a probe that succeeds', async (t) => {
	mock.timers.enable({ apis: ['setTimeout'] });
	t.after(() => mock.timers.reset());
	const changes: boolean[] = [];
	let probes = 0;
	let isUp = false;
	const breaker = new Breaker({
		probe: () => {
			probes++;
			return isUp ? Promise.resolve() : Promise.reject(new Error('down'));
		},
		onChange: (open) => changes.push(open),
	});
	const settle = async (): Promise<void> => {
		for (let i = 0; i < 10; i++) {
			await Promise.resolve();
		}
	};
	breaker.onFailure();
	breaker.onFailure();
	assert.equal(breaker.isOpen, true);
	assert.deepEqual(changes, [true]);
	for (let ms = 0; ms < 60_000; ms += 100) {
		mock.timers.tick(100);
		await settle();
	}
	// At most every second once the pauses are at their longest, half of it random; not in a spin, and never given up.
	assert.ok(probes >= 30 && probes <= 80, String(probes));
	isUp = true;
	breaker.hint();
	mock.timers.tick(1);
	await settle();
	assert.equal(breaker.isOpen, false);
	assert.deepEqual(changes, [true, false]);
	breaker.close();
});
