import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Channel, Channels } from '../../../../src/adapter/dispatch/channels.ts';
import { Position } from '../../../../src/adapter/position.ts';
import { channelOf } from '../../../../src/stream/route.ts';
import { at } from '../fake-worker.ts';

const LINGER_MS = 10_000;
const nameOf = (room?: string, nsp = '/'): string => channelOf('log', nsp, room);
const namesOf = (channels: readonly Channel[]): string[] => channels.map(({ name }) => name);

function createChannels(): { readonly channels: Channels; readonly position: Position } {
	const position = new Position();
	position.moveTo(at(10));
	return { channels: new Channels('log', position), position };
}

function stopClock(t: TestContext): (ms: number) => void {
	let now = 1_000_000;
	t.mock.method(performance, 'now', () => now);
	return (ms) => {
		now += ms;
	};
}

function join(channels: Channels, ...rooms: string[]): void {
	for (const room of rooms) {
		channels.acquire('/', room);
	}
	channels.setLive(channels.listNew());
}

test('a room is new from its first member until it is live, however many join it', () => {
	const { channels, position } = createChannels();
	assert.equal(channels.hasNew, false);
	channels.acquire('/', 'a');
	position.hear(at(12));
	channels.acquire('/', 'a');
	channels.acquire('/');
	assert.equal(channels.hasNew, true);
	assert.deepEqual(
		channels.listNew().map(({ name, nsp, room, joinedAt }) => [name, nsp, room, joinedAt]),
		[
			[nameOf('a'), '/', 'a', at(10)],
			[nameOf(), '/', undefined, at(12)],
		],
	);
	channels.setLive(channels.listNew());
	assert.equal(channels.hasNew, false);
	channels.acquire('/', 'a');
	assert.equal(channels.hasNew, false, 'one more in a room that is live');
	channels.acquire('/other', 'a');
	assert.deepEqual(namesOf(channels.listNew()), [nameOf('a', '/other')]);
});

test('what is owed to those who are new begins at the first of their joins', () => {
	const { channels, position } = createChannels();
	assert.equal(channels.limit, undefined);
	position.hear(at(12));
	channels.acquire('/', 'a');
	position.dispatch(() => channels.acquire('/', 'b'));
	position.hear(at(14));
	channels.acquire('/', 'c');
	assert.equal(channels.limit, at(10), 'the entry that is dispatched may be the reason of the join');
	channels.setLive(channels.listNew().filter(({ room }) => room !== 'c'));
	assert.equal(channels.limit, at(14));
	channels.setLive(channels.listNew());
	assert.equal(channels.limit, undefined);
});

test('a number and its text are one room', () => {
	const { channels } = createChannels();
	channels.acquire('/', 5);
	channels.acquire('/', '5');
	assert.deepEqual(namesOf(channels.listNew()), [nameOf('5')]);
	channels.setLive(channels.listNew());
	channels.release('/', '5');
	channels.acquire('/', 5);
	assert.equal(channels.hasNew, false);
});

test('a room that is left before it is live is forgotten, one that is left and joined again is owed what it was', () => {
	const { channels, position } = createChannels();
	channels.acquire('/', 'gone');
	channels.acquire('/', 'back');
	channels.release('/', 'gone');
	channels.release('/', 'back');
	position.hear(at(12));
	channels.acquire('/', 'back');
	const added = channels.listNew();
	assert.deepEqual(
		added.map(({ room, joinedAt }) => [room, joinedAt]),
		[['back', at(10)]],
	);
	channels.setLive(added);
	assert.equal(channels.hasNew, false);
	assert.deepEqual(namesOf(channels.listAll()), [nameOf('back')]);
});

test('a subscription that is confirmed after its room was left again is idle from then on', (t) => {
	const passTime = stopClock(t);
	const { channels } = createChannels();
	channels.acquire('/', 'a');
	const added = channels.listNew();
	channels.release('/', 'a');
	passTime(LINGER_MS);
	channels.setLive(added);
	assert.deepEqual(channels.takeIdle(), []);
	passTime(LINGER_MS);
	assert.deepEqual(channels.takeIdle(), [nameOf('a')]);
});

test('a room without members is kept for a while, and then given up, once', (t) => {
	const passTime = stopClock(t);
	const { channels } = createChannels();
	channels.acquire('/', 'a');
	join(channels, 'a', 'b', 'c');
	for (const room of ['a', 'b', 'c']) {
		channels.release('/', room);
	}
	passTime(LINGER_MS - 1);
	channels.acquire('/', 'c');
	assert.deepEqual(channels.takeIdle(), []);
	assert.equal(channels.hasNew, false, 'it was live all the time');
	passTime(1);
	assert.deepEqual(channels.takeIdle(), [nameOf('b')], 'one is still in the first, and the third was joined again');
	assert.deepEqual(channels.takeIdle(), []);
	channels.release('/', 'a');
	passTime(LINGER_MS);
	assert.deepEqual(channels.takeIdle(), [nameOf('a')]);
	channels.acquire('/', 'a');
	assert.equal(channels.hasNew, true);
});

test('a new connection subscribes to all that somebody is in, new or not', (t) => {
	stopClock(t);
	const { channels } = createChannels();
	join(channels, 'live', 'idle');
	channels.release('/', 'idle');
	channels.acquire('/', 'new');
	channels.acquire('/', 'gone');
	channels.release('/', 'gone');
	assert.deepEqual(namesOf(channels.listAll()), [nameOf('live'), nameOf('new')]);
	assert.deepEqual(channels.takeIdle(), []);
	channels.acquire('/', 'idle');
	assert.deepEqual(namesOf(channels.listNew()), [nameOf('new'), nameOf('idle')], 'one that was given up is new again');
});

test('while nothing is subscribed to, a room that is left is forgotten at once, live before or not', (t) => {
	const passTime = stopClock(t);
	const { channels } = createChannels();
	join(channels, 'live', 'stays');
	channels.acquire('/', 'new');
	for (const room of ['live', 'new']) {
		channels.release('/', room);
		channels.forgetIdle('/', room);
	}
	channels.forgetIdle('/', 'stays');
	channels.forgetIdle('/', 'unknown');
	assert.equal(channels.hasNew, false);
	passTime(LINGER_MS);
	assert.deepEqual(channels.takeIdle(), []);
	assert.deepEqual(namesOf(channels.listAll()), [nameOf('stays')]);
});
