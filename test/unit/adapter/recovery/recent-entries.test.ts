import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildBatch } from '../../../../src/adapter/follow/stream-batch.ts';
import { RecentEntries } from '../../../../src/adapter/recovery/recent-entries.ts';
import type { StreamEntry } from '../../../../src/stream/entry.ts';
import { compareOffsets, type StreamOffset } from '../../../../src/stream/offset.ts';
import { createRandom } from '../../../support/fuzz.ts';

const at = (ms: number): StreamOffset => `${ms}-0` as StreamOffset;
const entry = (ms: number, rooms: readonly string[] | undefined, nsp = '/'): StreamEntry => ({
	id: at(ms),
	uid: 'u',
	nsp,
	type: 3,
	data: 'x'.repeat(100),
	mark: undefined,
	rooms,
});

/** Indexed at once, and only when someone looks. */
for (const indexedMs of [60_000, 0]) {
	test(`selection finds what a walk over all entries finds, through growth, eviction and older entries put in front (${indexedMs})`, () =>
		checkSelection(indexedMs));
}

function checkSelection(indexedMs: number): void {
	const random = createRandom(3);
	const rooms = ['a', 'b', 'c', 'd'];
	const all: StreamEntry[] = [];
	for (let ms = 1; ms <= 3000; ms++) {
		const chosen = rooms.filter(() => random() < 0.3);
		all.push(entry(ms, chosen.length === 0 ? undefined : chosen, random() < 0.5 ? '/' : '/x'));
	}
	const recent = new RecentEntries(500_000, at(1000), indexedMs);
	for (const one of all.slice(1000, 1500)) {
		recent.append(one);
	}
	assert.equal(recent.prepend(at(900), all.slice(900, 1000)), true);
	assert.equal(recent.from, at(900));
	const check = (upTo: number): void => {
		for (let i = 0; i < 50; i++) {
			const wanted = rooms.filter(() => random() < 0.5);
			const after = at(Math.floor(Number(recent.from.split('-')[0]) + random() * 300));
			const expected = all
				.slice(0, upTo)
				.filter(
					({ id, nsp, rooms: to }) => nsp === '/' && compareOffsets(id, after) > 0 && (!to || to.some((room) => wanted.includes(room))),
				);
			assert.deepEqual(
				recent.select('/', wanted, after).map(({ id }) => id),
				expected.map(({ id }) => id),
			);
		}
	};
	check(1500);
	for (const one of all.slice(1500, 2000)) {
		recent.append(one);
	}
	for (let from = 2000; from < 3000; from += 10) {
		recent.appendBatch(
			buildBatch(
				at(from),
				all.slice(from, from + 10).map((one) => ({ kind: 'entry', entry: one })),
			),
		);
		if (from % 250 === 0) {
			check(from + 10);
		}
	}
	assert.ok(compareOffsets(recent.from, at(1500)) > 0, 'old entries were evicted');
	check(3000);
	assert.equal(recent.prepend(at(0), all.slice(0, 1000)), false, 'no room for that many');
	recent.reset(at(3000));
	assert.deepEqual(recent.select('/', rooms, at(0)), []);
	assert.equal(recent.from, at(3000));
}
