/** Replicas and shares over a bus in memory: two workers, one of which comes late or misses something. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { type TestContext, test } from 'node:test';
import type { Server } from 'socket.io';
import { createSilentLogger } from '../../../src/base/log.ts';
import { BoundedLog, type LogEntry } from '../../../src/demo/bounded-log.ts';
import type { Demo } from '../../../src/demo/demo.ts';
import { createReplica } from '../../../src/demo/replica.ts';
import { createShares } from '../../../src/demo/shares.ts';

interface Worker {
	readonly demo: Demo;
	/** Cut off: it neither sends nor hears. */
	away: boolean;
	stop(): void;
}

type Listener = (...args: unknown[]) => void;

/** Workers whose `serverSideEmit` reaches all others, with answers if one asks for them. */
function createFleet(): (node: string) => Worker {
	const workers = new Map<EventEmitter, Worker>();
	return (node) => {
		const events = new EventEmitter();
		const stopped = new AbortController();
		const io = {
			on: (event: string, listener: Listener) => events.on(event, listener),
			serverSideEmit(event: string, ...args: unknown[]) {
				const others = [...workers].filter(([other, { away }]) => other !== events && !away && !worker.away);
				const reply = args.at(-1);
				const answers: unknown[] = [];
				const withReply = typeof reply === 'function' ? [...args.slice(0, -1), (answer: unknown) => answers.push(answer)] : args;
				for (const [other] of others) {
					other.emit(event, ...withReply);
				}
				if (typeof reply === 'function') {
					reply(null, structuredClone(answers));
				}
			},
		} as unknown as Server;
		const demo = { io, node, pod: 'pod1', worker: workers.size, log: createSilentLogger(), signal: stopped.signal };
		const worker: Worker = { demo, away: false, stop: () => stopped.abort() };
		workers.set(events, worker);
		return worker;
	};
}

function createLog(demo: Demo): { log: BoundedLog<LogEntry>; add: (id: string) => void; ids: () => string[] } {
	const log = new BoundedLog<LogEntry>(10, () => undefined);
	const replica = createReplica(demo, 'log', log);
	return { log, add: (id) => replica.share(log.add({ id, at: log.tick() })), ids: () => log.entries().map((entry) => entry.id) };
}

function useFakeTime(t: TestContext): void {
	t.mock.timers.enable({ apis: ['setInterval', 'setTimeout', 'Date'] });
}

test('a replica hears of changes, fetches the past when it comes late, and what it missed when it is back', (t) => {
	useFakeTime(t);
	const join = createFleet();
	const first = join('first');
	const a = createLog(first.demo);
	a.add('1');
	const second = join('second');
	const b = createLog(second.demo);
	t.mock.timers.tick(3000);
	assert.deepEqual(b.ids(), ['1']);

	a.add('2');
	assert.deepEqual(b.ids(), ['1', '2']);

	second.away = true;
	a.add('3');
	b.add('4');
	second.away = false;
	t.mock.timers.tick(30_000);
	assert.deepEqual(a.ids(), b.ids());
	assert.deepEqual(new Set(a.ids()), new Set(['1', '2', '3', '4']));
	first.stop();
	second.stop();
});

test('shares of others are seen, go with a farewell, and expire when their worker falls silent', (t) => {
	useFakeTime(t);
	const join = createFleet();
	const workers = ['first', 'second', 'third'].map(join);
	const [first, , third] = workers.map(({ demo }) =>
		createShares<string>(demo, { name: 'names', intervalMs: 100, mine: () => demo.node, onChange: () => undefined }),
	);
	t.mock.timers.tick(4000);
	assert.deepEqual(first?.all(), ['first', 'second', 'third']);
	assert.deepEqual(third?.all().sort(), ['first', 'second', 'third']);

	workers[1]?.stop();
	assert.deepEqual(first?.all(), ['first', 'third']);
	if (workers[2]) {
		workers[2].away = true;
	}
	t.mock.timers.tick(20_000);
	assert.deepEqual(first?.all(), ['first']);
	workers.forEach(({ stop }) => {
		stop();
	});
});
