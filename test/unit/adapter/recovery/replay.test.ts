import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Replay } from '../../../../src/adapter/recovery/replay.ts';
import type { RoomStay, SessionRecord } from '../../../../src/adapter/sessions/record.ts';
import { MESSAGES_LOST, type PublisherMark, type StreamEntry } from '../../../../src/stream/entry.ts';
import { at } from '../fake-worker.ts';

const stay = (room: string, from: number, to?: number): RoomStay => ({ room, from: at(from), to: to === undefined ? undefined : at(to) });
const UNLIMITED = 1e9;

interface EventOptions {
	readonly rooms?: readonly string[];
	readonly except?: readonly string[];
	readonly flags?: object;
	readonly id?: number;
	readonly nsp?: string;
	readonly mark?: PublisherMark;
}

function event(ms: number, name: string, { rooms = [], except = [], flags = {}, id, nsp = '/', mark }: EventOptions = {}): StreamEntry {
	const data = JSON.stringify({ packet: { type: 2, data: [name], ...(id === undefined ? {} : { id }) }, opts: { rooms, except, flags } });
	return { id: at(ms), uid: 'u', nsp, type: 3, data, mark, rooms: rooms.length === 0 ? undefined : rooms };
}

function order(ms: number, type: 4 | 5 | 6 | typeof MESSAGES_LOST, rooms: readonly string[], moved: readonly string[] = []): StreamEntry {
	const data = JSON.stringify({ opts: { rooms, except: [], flags: {} }, rooms: moved });
	return { id: at(ms), uid: 'u', nsp: '/', type, data, mark: undefined, rooms: undefined };
}

function record(stays: readonly RoomStay[], savedAt = 10): SessionRecord {
	return { nsp: '/', sid: 'sid', pid: 'pid', stays, data: {}, at: at(savedAt), sentUpTo: at(0), outsideAt: undefined };
}

function replayOf(entries: readonly StreamEntry[], stays: readonly RoomStay[], savedAt = 10, maxBytes = UNLIMITED): Replay {
	const replay = new Replay(record(stays, savedAt), at(10), maxBytes);
	for (const entry of entries) {
		replay.feed(entry);
	}
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

test('an entry that was fed before, or is older than another, is ignored', () => {
	const replay = replayOf([event(12, 'a'), event(11, 'late'), event(12, 'a again'), event(13, 'b')], [stay('sid', 1)]);
	assert.deepEqual(names(replay), ['a', 'b']);
	replay.feed(event(14, 'c'));
	assert.deepEqual(names(replay), ['a', 'b', 'c']);
});

test('a message that was written twice is one message, whatever part of the log is read', () => {
	const mark = (sequence: number, publisher = 'p'): PublisherMark => ({ publisher, sequence });
	const replay = replayOf(
		[
			event(11, 'a', { mark: mark(7) }),
			event(12, 'b', { mark: mark(9) }),
			event(13, 'b again', { mark: mark(9) }),
			event(14, 'c', { mark: mark(9, 'q') }),
			event(15, 'seen', { mark: mark(8) }),
			event(16, 'd', { mark: mark(10) }),
		],
		[stay('sid', 1)],
	);
	assert.deepEqual(names(replay), ['a', 'b', 'c', 'd']);
});

test('who lost messages is told, and who was in none of their rooms is not', () => {
	const stays = [stay('sid', 1), stay('room', 1), stay('left', 1, 11)];
	assert.equal(replayOf([order(12, MESSAGES_LOST, ['room', 'other'])], stays).state, 'lost');
	assert.equal(replayOf([order(12, MESSAGES_LOST, [])], stays).state, 'lost');
	assert.equal(replayOf([order(12, MESSAGES_LOST, ['other']), order(13, MESSAGES_LOST, ['left'])], stays).state, 'ok');
	assert.equal(replayOf([order(10, MESSAGES_LOST, ['room'])], stays).state, 'ok');
});

test('what was refused stays refused, and gathers nothing more', () => {
	const replay = replayOf([order(12, 6, ['sid']), event(13, 'a'), order(14, 4, ['sid'], ['new'])], [stay('sid', 1)]);
	assert.equal(replay.state, 'kicked');
	assert.deepEqual(names(replay), []);
	assert.deepEqual(replay.rooms, ['sid']);
});

test('its rooms are those that it was in at some time, with those that it was moved to, by it or by their members, on the way', () => {
	const replay = replayOf(
		[
			order(11, 4, ['sid'], ['second']),
			order(12, 4, ['second'], ['third']),
			order(13, 5, ['third'], ['second']),
			order(14, 4, ['second'], ['too late']),
			order(15, 4, ['never in it'], ['never']),
		],
		[stay('sid', 1), stay('left', 1, 9)],
	);
	assert.deepEqual(replay.rooms, ['sid', 'left', 'second', 'third']);
	assert.deepEqual(
		replay.stays.filter(({ to }) => to === undefined).map(({ room }) => room),
		['sid', 'third'],
	);
});
