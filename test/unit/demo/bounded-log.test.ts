import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoundedLog, type LogEntry, type LogState } from '../../../src/demo/bounded-log.ts';

const LIMIT = 8;

function createLog(now: () => number = () => 1000): BoundedLog<LogEntry> {
	return new BoundedLog<LogEntry>(LIMIT, () => undefined, now);
}

/** A small generator with a seed, so that a failure can be repeated. */
function createRandom(seed: number): (below: number) => number {
	let state = seed;
	return (below) => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return state % below;
	};
}

test('logs agree whatever the order in which they hear of changes, and however often', () => {
	for (let seed = 1; seed <= 200; seed++) {
		const random = createRandom(seed);
		const writers = [createLog(() => 1000 + random(50)), createLog(() => 1010 + random(50)), createLog(() => 990)];
		const changes: LogState<LogEntry>[] = [];
		for (let i = 0; i < 30; i++) {
			const writer = writers[random(writers.length)] ?? createLog();
			changes.push(random(10) === 0 ? writer.clear() : writer.add({ id: `${i}`, at: writer.tick() }));
			const heard = changes[random(changes.length)];
			if (heard) {
				writer.merge(heard);
			}
		}
		const inOrder = createLog();
		changes.forEach((change) => {
			inOrder.merge(change);
		});
		const shuffled = createLog();
		for (const change of [...changes, ...changes].sort(() => random(3) - 1)) {
			shuffled.merge(change);
		}
		const late = createLog();
		late.merge(shuffled.state());
		for (const log of [...writers.map(caughtUp), shuffled, late]) {
			assert.equal(log.digest(), inOrder.digest(), `seed ${seed}`);
			assert.ok(log.entries().length <= LIMIT);
		}

		function caughtUp(writer: BoundedLog<LogEntry>): BoundedLog<LogEntry> {
			changes.forEach((change) => {
				writer.merge(change);
			});
			return writer;
		}
	}
});

test('an entry made after a clear survives it, even where the clock is behind', () => {
	const fast = createLog(() => 5000);
	const slow = createLog(() => 1000);
	const clear = fast.clear();
	slow.merge(clear);
	fast.merge(slow.add({ id: 'new', at: slow.tick() }));
	assert.deepEqual(
		fast.entries().map(({ id }) => id),
		['new'],
	);
});

test('only what is new is told, once', () => {
	const told: string[] = [];
	const log = new BoundedLog<LogEntry>(LIMIT, (fresh, cleared) => told.push(cleared ? 'cleared' : fresh.map(({ id }) => id).join()));
	const change = {
		clearedAt: 0,
		entries: [
			{ id: 'a', at: 1 },
			{ id: 'b', at: 2 },
		],
	};
	log.merge(change);
	log.merge(change);
	log.merge({ clearedAt: 5, entries: [{ id: 'old', at: 4 }] });
	assert.deepEqual(told, ['a,b', 'cleared']);
});
