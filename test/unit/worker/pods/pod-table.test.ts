import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PeerTable, parseBeatAnswer } from '../../../../src/worker/pods/pod-table.ts';

const record = (pod: string, at: number, left = false) => ({ pod, host: `host-${pod}`, port: 9465, workers: 2, at, left, load: undefined });

test('a peer that is silent expires after its time, by the clock of Redis', () => {
	const table = new PeerTable(2000, 30_000);
	table.update(100_000, [record('a', 100_000), record('b', 100_000)]);
	for (let now = 102_000; now <= 130_000; now += 2000) {
		table.update(now, [record('a', now), record('b', 100_000)]);
		assert.ok(table.get('b'), String(now));
	}
	table.update(132_000, [record('a', 132_000), record('b', 100_000)]);
	assert.equal(table.get('b'), undefined);
	assert.ok(table.get('a'));
});

test('a Redis that was frozen for an hour expires nobody: the gap between two answers counts little', () => {
	const table = new PeerTable(2000, 30_000);
	table.update(100_000, [record('a', 100_000), record('b', 100_000)]);
	table.update(3_700_000, [record('a', 3_700_000), record('b', 100_000)]);
	assert.ok(table.get('b'));
	table.update(3_702_000, [record('a', 3_702_000), record('b', 3_701_000)]);
	assert.ok(table.get('b'));
});

test('a Redis that came back empty expires nobody at once', () => {
	const table = new PeerTable(2000, 30_000);
	table.update(100_000, [record('a', 100_000), record('b', 100_000)]);
	table.update(102_000, [record('a', 102_000)]);
	assert.equal(table.get('b')?.host, 'host-b');
});

test('a pod that says good-bye is forgotten at once', () => {
	const table = new PeerTable(2000, 30_000);
	table.update(100_000, [record('a', 100_000), record('b', 100_000)]);
	table.update(102_000, [record('a', 102_000), record('b', 101_000, true)]);
	assert.deepEqual(
		table.list().map(({ pod }) => pod),
		['a'],
	);
});

test('one that was long dead when it was first heard of does not stay as long as the others', () => {
	const table = new PeerTable(2000, 30_000);
	table.update(200_000, [record('old', 100_000)]);
	assert.equal(table.get('old'), undefined);
});

test('an answer is read leniently in its records, strictly in its shape', () => {
	assert.deepEqual(parseBeatAnswer(['taken', 5]), { kind: 'taken' });
	const good = JSON.stringify({ host: 'h', port: 1, at: 2, workers: 3 });
	assert.deepEqual(parseBeatAnswer(['ok', 5, 'routed 3', 'a', good, 'b', '{', 'c', '{}', 'd', 'null']), {
		kind: 'ok',
		now: 5,
		delivery: { mode: 'routed', indexedSince: 3 },
		records: [{ pod: 'a', host: 'h', port: 1, at: 2, workers: 3, left: false, load: undefined }],
	});
	for (const reply of [null, 'ok', [], ['ok'], ['ok', 'x']]) {
		assert.throws(() => parseBeatAnswer(reply), TypeError);
	}
});

test('a pod does what its workers do together; what is no load is left out', () => {
	const load = { connections: 4, opened: 0, received: 1.5, sent: 3, published: 0 };
	const loads = { one: load, two: load, three: { ...load, sent: 'much' }, four: null };
	const record = JSON.stringify({ host: 'h', port: 1, at: 2, workers: 4, loads });
	const answer = parseBeatAnswer(['ok', 5, 'follow 5', 'a', record]);
	assert.ok(answer.kind === 'ok');
	assert.deepEqual(answer.records[0]?.load, { connections: 8, opened: 0, received: 3, sent: 6, published: 0 });
});
