import assert from 'node:assert/strict';
import { test } from 'node:test';
import { podRates, stateOf, type WorkerRow, workerRates } from '../../../src/fleet/pod-status.ts';
import { readStatuses } from '../../../src/fleet/status-stream.ts';
import { renderFleetTop, renderPodTop, runTop, TopBoard } from '../../../src/fleet/top.ts';
import { status, worker } from '../../support/pod-status.ts';

/** Two workers that did so much since they started. */
function busy(eventsIn: number, activeMs: number, idleMs: number, pid = 10): WorkerRow {
	const counters = { sessionsOpened: eventsIn / 10, eventsIn, eventsOut: eventsIn * 2, published: 0 };
	return worker({ slot: pid - 10, pid, counters, eventLoop: { activeMs, idleMs } });
}

test('rates between two states, by the process: one that was replaced in its slot has none yet', () => {
	const before = { atMs: 1000, status: status({ workers: [busy(100, 0, 0, 10), busy(100, 0, 0, 11)] }) };
	const after = (workers: readonly WorkerRow[]) => ({ atMs: 3000, status: status({ workers }) });
	const both = after([busy(300, 500, 1500, 10), busy(100, 1000, 1000, 11)]);
	assert.deepEqual(workerRates(before, both).get(0), { opened: 10, received: 100, sent: 200, published: 0, busy: 0.25 });
	assert.deepEqual(podRates(before, both), { opened: 10, received: 100, sent: 200, published: 0, busy: 0.375, busiest: 0.5 });
	const replaced = after([busy(300, 500, 1500, 10), { ...busy(5, 1, 1, 11), pid: 99 }]);
	assert.deepEqual([...workerRates(before, replaced).keys()], [0]);
	const silent = after([{ slot: 0, state: 'starting', failures: 1 }]);
	assert.equal(podRates(before, silent), undefined);
	assert.equal(podRates(before, before), undefined, 'no time has passed');
});

test('the state of a pod is one word', () => {
	assert.equal(stateOf(status({})), 'ready');
	assert.equal(stateOf(status({ reasons: ['Redis is away'] })), 'degraded');
	assert.equal(stateOf(status({ ready: false, reasons: ['no worker is ready'] })), 'not ready');
	assert.equal(stateOf(status({ ready: false, cordoned: true })), 'out of service');
	assert.equal(stateOf(status({ ready: false, cordoned: true, draining: true })), 'draining');
});

test('a look counts from the look before; a pod that went silent has no rates until it has told twice', () => {
	const board = new TopBoard();
	const note = (atMs: number, events: number): void => board.note('a', { atMs, status: status({ workers: [busy(events, 0, 0)] }) });
	board.add('a');
	board.add('b');
	assert.equal(board.isComplete, false);
	note(0, 0);
	assert.equal(board.look()[0]?.rates, undefined);
	note(1000, 50);
	note(2000, 200);
	assert.equal(board.isComplete, false, 'b has not said anything');
	board.lose('b', 'refused');
	assert.equal(board.isComplete, true);
	assert.equal(board.look()[0]?.rates?.received, 100, 'of both seconds');
	assert.equal(board.look()[0]?.rates?.received, 100, 'nothing newer has come');
	note(3000, 200);
	assert.equal(board.look()[0]?.rates?.received, 0);
	board.lose('a', 'gone');
	note(9000, 900);
	assert.equal(board.look()[0]?.rates, undefined);
	board.remove('b');
	assert.deepEqual(
		board.look().map(({ name }) => name),
		['a'],
	);
});

test('the fleet in a table: sums above, one line a pod, and why one has no numbers', () => {
	const board = new TopBoard();
	board.note('chat-1', { atMs: 0, status: status({ connections: 1200, workers: [busy(0, 0, 0)] }) });
	board.note('chat-1', { atMs: 1000, status: status({ connections: 1201, workers: [busy(40, 400, 600)] }) });
	board.lose('chat-2', 'connection refused');
	board.look();
	const text = renderFleetTop('fleet chat', board.look());
	assert.match(
		text,
		/^fleet chat: 1 of 2 pods answer, 1,201 connections, 4\/s opened, 40\/s events received, 80\/s sent, 0\/s published\n\n/,
	);
	assert.match(text, /^chat-1 +ready +1,201 +4\/s +40\/s +80\/s +0\/s +40 % +40 % +1\/1 +64 MiB$/m);
	assert.match(text, /^chat-2 +connection refused( +-){9}$/m);
});

test('one pod and its workers', () => {
	const board = new TopBoard();
	board.add('here');
	assert.equal(renderPodTop(board, 'here'), 'here: no answer yet\n');
	board.note('here', { atMs: 0, status: status({ workers: [busy(0, 0, 0)] }) });
	board.note('here', { atMs: 2000, status: status({ reasons: ['Redis is away'], connections: 3, workers: [busy(40, 100, 900)] }) });
	const text = renderPodTop(board, 'here');
	assert.match(text, /^pod pod1 of fleet chat, socketfleet 0\.1\.0: degraded\n3 connections, 2\/s opened, .*\n! Redis is away\n\nWORKER/);
	assert.match(text, /^0 +ready +10 +3 +2\/s +20\/s +40\/s +0\/s +10 % +32 MiB +64 MiB +0$/m);
});

test('events come however the bytes are cut, even within a character', async () => {
	const text = `data: ${JSON.stringify(status({ reasons: ['ä'] }))}\n\ndata: ${JSON.stringify(status({ pod: 'pod2' }))}\n\ndata: {"half`;
	const bytes = new TextEncoder().encode(text);
	async function* one(): AsyncGenerator<Uint8Array> {
		for (const byte of bytes) {
			yield Uint8Array.of(byte);
		}
	}
	const seen: string[][] = [];
	for await (const { pod, reasons } of readStatuses(one())) {
		seen.push([pod, ...reasons]);
	}
	assert.deepEqual(seen, [['pod1', 'ä'], ['pod2']]);
});

test('once: one block as soon as all have told, and the end; otherwise until the signal', async () => {
	const board = new TopBoard();
	board.add('a');
	const shown: string[] = [];
	const screen = { show: (text: string) => void shown.push(text), close: () => undefined };
	const ending = new AbortController();
	const loop = { board, screen, render: () => 'block', intervalMs: 1, signal: ending.signal };
	const done = runTop({ ...loop, once: true });
	board.note('a', { atMs: 0, status: status({}) });
	board.note('a', { atMs: 1, status: status({}) });
	await done;
	assert.deepEqual(shown, ['block']);
	const live = runTop({ ...loop, once: false, screen: { ...screen, show: () => ending.abort() } });
	await live;
	assert.equal(ending.signal.aborted, true);
});
