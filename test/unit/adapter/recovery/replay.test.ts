import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecentEntries } from '../../../../src/adapter/recovery/recent-entries.ts';
import { Replay } from '../../../../src/adapter/recovery/replay.ts';
import type { RoomStay, SessionRecord } from '../../../../src/adapter/sessions/record.ts';
import type { StreamEntry } from '../../../../src/stream/entry.ts';
import type { StreamOffset } from '../../../../src/stream/offset.ts';

const at = (ms: number): StreamOffset => `${ms}-0` as StreamOffset;
const stay = (room: string, from: number, to?: number): RoomStay => ({ room, from: at(from), to: to === undefined ? undefined : at(to) });
const UNLIMITED = 1e9;

interface EventOptions {
	readonly rooms?: readonly string[];
	readonly except?: readonly string[];
	readonly flags?: object;
	readonly id?: number;
	readonly nsp?: string;
}

function event(ms: number, name: string, { rooms = [], except = [], flags = {}, id, nsp = '/' }: EventOptions = {}): StreamEntry {
	const data = JSON.stringify({ packet: { type: 2, data: [name], ...(id === undefined ? {} : { id }) }, opts: { rooms, except, flags } });
	return { id: at(ms), uid: 'u', nsp, type: 3, data, mark: undefined, rooms: rooms.length === 0 ? undefined : rooms };
}

function order(ms: number, type: 4 | 5 | 6, rooms: readonly string[], moved: readonly string[] = []): StreamEntry {
	const data = JSON.stringify({ opts: { rooms, except: [], flags: {} }, rooms: moved });
	return { id: at(ms), uid: 'u', nsp: '/', type, data, mark: undefined, rooms: undefined };
}

function record(stays: readonly RoomStay[], savedAt = 10): SessionRecord {
	return { nsp: '/', sid: 'sid', pid: 'pid', stays, data: {}, at: at(savedAt), sentUpTo: at(0), outsideAt: undefined };
}

function replayOf(entries: readonly StreamEntry[], stays: readonly RoomStay[], savedAt = 10, maxBytes = UNLIMITED): Replay {
	const recent = new RecentEntries(1e6, at(0));
	for (const entry of entries) {
		recent.append(entry);
	}
	const replay = new Replay(record(stays, savedAt), at(10), maxBytes);
	replay.advance(recent, entries.at(-1)?.id ?? at(10));
	return replay;
}

const names = (replay: Replay): unknown[] => replay.missed.map(({ data }) => data[0]);

test('what was sent to everyone or to a room of the client, after its offset and in order; nothing else', () => {
	const replay = replayOf(
		[
			event(9, 'seen'),
			event(10, 'last seen'),
			event(11, 'to all'),
			event(12, 'to room', { rooms: ['room', 'other'] }),
			event(13, 'to another', { rooms: ['other'] }),
			event(14, 'not to me', { except: ['sid'] }),
			event(15, 'elsewhere', { nsp: '/elsewhere' }),
			event(16, 'volatile', { flags: { volatile: true } }),
			event(17, 'wants an answer', { id: 5 }),
			event(18, 'to me', { rooms: ['sid'] }),
		],
		[stay('sid', 1), stay('room', 1)],
	);
	assert.equal(replay.state, 'ok');
	assert.deepEqual(names(replay), ['to all', 'to room', 'to me']);
	assert.deepEqual(
		replay.missed.map(({ id }) => id),
		[at(11), at(12), at(18)],
	);
});

test('a room counts from the join to the leave, also when it was left before the client went', () => {
	const replay = replayOf(
		[
			event(11, 'on its way', { rooms: ['left'] }),
			event(13, 'after', { rooms: ['left'] }),
			event(14, 'early', { rooms: ['late'] }),
			event(16, 'late', { rooms: ['late'] }),
		],
		[stay('sid', 1), stay('left', 1, 12), stay('late', 15)],
		20,
	);
	assert.deepEqual(names(replay), ['on its way', 'late']);
});

test('joins and leaves that were ordered while it was away take effect from there on', () => {
	const replay = replayOf(
		[
			event(11, 'too early', { rooms: ['new'] }),
			order(12, 4, ['sid'], ['new', 'newer']),
			event(13, 'in time', { rooms: ['new'] }),
			order(14, 5, ['newer'], ['new', 'room']),
			event(15, 'too late', { rooms: ['new'] }),
			event(16, 'room too late', { rooms: ['room'] }),
			order(17, 4, ['somebody else'], ['never']),
			event(18, 'never', { rooms: ['never'] }),
		],
		[stay('sid', 1), stay('room', 1)],
	);
	assert.deepEqual(names(replay), ['in time']);
	assert.deepEqual(
		replay.stays.filter(({ to }) => to === undefined).map(({ room }) => room),
		['sid', 'newer'],
	);
});

test('orders that are older than the record are in it already', () => {
	const replay = replayOf(
		[order(12, 5, ['sid'], ['room']), order(13, 6, ['sid']), event(21, 'still there', { rooms: ['room'] })],
		[stay('sid', 1), stay('room', 14)],
		20,
	);
	assert.equal(replay.state, 'ok');
	assert.deepEqual(names(replay), ['still there']);
});

test('who was thrown out is not brought back', () => {
	assert.equal(replayOf([event(11, 'x'), order(12, 6, ['room']), event(13, 'y')], [stay('sid', 1), stay('room', 1)]).state, 'kicked');
	assert.equal(replayOf([order(12, 6, ['other'])], [stay('sid', 1)]).state, 'ok');
});

test('more than is to be buffered for one client is refused', () => {
	const entries = Array.from({ length: 100 }, (_, i) => event(11 + i, 'x'.repeat(100)));
	assert.equal(replayOf(entries, [stay('sid', 1)], 10, 5000).state, 'too_much');
});

test('it can be taken further, and says when what it needs is not at hand any more', () => {
	const recent = new RecentEntries(2000, at(0));
	const replay = new Replay(record([stay('sid', 1)]), at(10), UNLIMITED);
	recent.append(event(11, 'a'));
	assert.equal(replay.advance(recent, at(11)), 'ok');
	recent.append(event(12, 'b'));
	assert.equal(replay.advance(recent, at(12)), 'ok');
	assert.deepEqual(names(replay), ['a', 'b']);
	for (let ms = 13; ms < 40; ms++) {
		recent.append(event(ms, 'flood'));
	}
	assert.equal(replay.advance(recent, at(39)), 'forgotten');
});
