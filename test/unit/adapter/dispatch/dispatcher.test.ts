import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HubGap, StreamHub, type StreamHubDeps } from '../../../../src/adapter/dispatch/dispatcher.ts';
import type { LocalMessage } from '../../../../src/adapter/dispatch/pending-messages.ts';
import { buildBatch, parseAll, type StreamBatch } from '../../../../src/adapter/follow/stream-batch.ts';
import { createSilentLogger } from '../../../../src/base/log.ts';
import { loadConfig } from '../../../../src/config/load.ts';
import { createMetrics } from '../../../../src/metrics/registry.ts';
import { formatMark, type PublisherMark } from '../../../../src/stream/entry.ts';
import type { StreamOffset } from '../../../../src/stream/offset.ts';
import type { Publisher } from '../../../../src/stream/publisher.ts';
import type { RawEntry } from '../../../../src/stream/reader.ts';

const at = (ms: number): StreamOffset => `${ms}-0` as StreamOffset;

interface RawOptions {
	readonly mark?: PublisherMark;
	readonly to?: string;
	readonly nsp?: string;
}

function raw(ms: number, name: string, { mark, to, nsp = '/' }: RawOptions = {}): RawEntry {
	const data = JSON.stringify({ packet: { type: 2, data: [name] }, opts: { rooms: to === undefined ? [] : [to], except: [], flags: {} } });
	const fields = ['uid', 'u', 'nsp', nsp, 'type', '3', 'data', data];
	return [at(ms), [...fields, ...(mark ? ['pub', formatMark(mark)] : []), ...(to === undefined ? [] : ['to', to])]];
}

const batch = (after: number, entries: readonly RawEntry[]): StreamBatch => buildBatch(at(after), parseAll(entries));

/** A hub that has begun after entry 10, with one namespace that writes down what it is handed. */
function createHub(deps: Partial<StreamHubDeps> = {}): {
	hub: StreamHub;
	heard: string[];
	gaps: [HubGap, StreamOffset][];
	rooms: Set<string>;
} {
	const heard: string[] = [];
	const gaps: [HubGap, StreamOffset][] = [];
	const rooms = new Set(['here']);
	const { config } = loadConfig({ env: {}, flags: {}, cwd: '/nonexistent' });
	const hub = new StreamHub({
		config,
		metrics: createMetrics(),
		log: createSilentLogger(),
		catchUp: () => Promise.reject(new Error('nothing to catch up with')),
		barrier: () => undefined,
		onOutside: () => undefined,
		onHole: () => undefined,
		share: () => undefined,
		interest: () => 'none',
		onEntry: () => undefined,
		onQuietBatch: () => undefined,
		onGap: (reason, cursor) => gaps.push([reason, cursor]),
		...deps,
	});
	hub.add('/', {
		rooms,
		deliver: (message, offset) => {
			if (message.kind === 'broadcast') {
				heard.push(`${String(message.packet.data[0])}@${offset}`);
			}
		},
	});
	hub.begin(at(10));
	return { hub, heard, gaps, rooms };
}

/** Numbers messages as the real one does, and lets the test decide what becomes of them. */
function fakePublisher(): Publisher {
	let sequence = 0;
	return {
		publish: () => ({ publisher: 'own', sequence: ++sequence }),
		problem: () => undefined,
		close: () => undefined,
	};
}

const fieldsOf = (name: string): { uid: string; nsp: string; type: number; data: string } => ({
	uid: 'u',
	nsp: '/',
	type: 3,
	data: JSON.stringify({ packet: { type: 2, data: [name] }, opts: { rooms: [], except: [], flags: {} } }),
});

test('entries are handed over in order, each once, and not those of rooms and namespaces that are elsewhere', (t) => {
	const { hub, heard } = createHub();
	t.after(() => hub.close());
	hub.receive(
		batch(10, [raw(9, 'old'), raw(11, 'a'), raw(12, 'b', { to: 'here' }), raw(13, 'c', { to: 'elsewhere' }), raw(14, 'd', { nsp: '/no' })]),
	);
	hub.receive(batch(11, [raw(12, 'b'), raw(14, 'd'), raw(15, 'e')]));
	assert.deepEqual(heard, ['a@11-0', 'b@12-0', 'e@15-0']);
	assert.equal(hub.cursor, at(15));
});

test('a repeated entry of one publisher is dropped, a missing one is a gap', async (t) => {
	const { hub, heard, gaps } = createHub();
	t.after(() => hub.close());
	const mark = (sequence: number): RawOptions => ({ mark: { publisher: 'p', sequence } });
	hub.receive(batch(10, [raw(11, 'one', mark(4)), raw(12, 'two', mark(5)), raw(13, 'two again', mark(5)), raw(14, 'four', mark(7))]));
	await new Promise(setImmediate);
	assert.deepEqual(heard, ['one@11-0', 'two@12-0', 'four@14-0']);
	assert.deepEqual(gaps, [['sequence', at(14)]]);
});

test('a hole between two frames is filled before the later one', async (t) => {
	const asked: [StreamOffset, StreamOffset][] = [];
	const { hub, heard } = createHub({
		catchUp: (from, to) => {
			asked.push([from, to]);
			return Promise.resolve({ entries: [raw(11, 'a'), raw(12, 'b')], complete: true });
		},
	});
	t.after(() => hub.close());
	hub.receive(batch(12, [raw(13, 'c')]));
	hub.receive(batch(13, [raw(14, 'd')]));
	await new Promise(setImmediate);
	assert.deepEqual(asked, [[at(10), at(12)]]);
	assert.deepEqual(heard, ['a@11-0', 'b@12-0', 'c@13-0', 'd@14-0']);
});

test('a hole that can not be filled is told, and reading goes on behind it', async (t) => {
	const { hub, heard, gaps } = createHub({ catchUp: () => Promise.resolve({ entries: [], complete: false }) });
	t.after(() => hub.close());
	hub.receive(batch(12, [raw(13, 'c')]));
	await new Promise(setImmediate);
	assert.deepEqual(gaps, [['trimmed', at(12)]]);
	assert.deepEqual(heard, ['c@13-0']);
});

test('own messages are delivered when they come back; what failed is delivered at once, with all before it, and not again', async (t) => {
	const { hub, heard } = createHub();
	t.after(() => hub.close());
	hub.own.setPublisher(fakePublisher());
	const own = (sequence: number): PublisherMark => ({ publisher: 'own', sequence });
	for (const name of ['m1', 'm2', 'm3']) {
		hub.own.publish(fieldsOf(name));
	}
	assert.deepEqual(heard, []);
	hub.own.onPublished(own(1));
	hub.receive(batch(10, [raw(11, 'm1', { mark: own(1) })]));
	await new Promise(setImmediate);
	hub.own.onPublishLate(own(3));
	assert.deepEqual(heard, ['m1@11-0', 'm2@11-0~', 'm3@11-0~']);
	hub.receive(batch(11, [raw(12, 'm2', { mark: own(2) }), raw(13, 'm3', { mark: own(3) }), raw(14, 'other')]));
	await new Promise(setImmediate);
	assert.deepEqual(heard.slice(3), ['other@14-0']);
});

test('clients are outside the stream from a late message to its echo; one that never comes is no gap here, but a hole for who was away', async (t) => {
	const outside: string[] = [];
	const holes: StreamOffset[] = [];
	const { hub, gaps } = createHub({
		onOutside: (nsp, isOutside) => outside.push(`${nsp} ${isOutside}`),
		onHole: (cursor) => holes.push(cursor),
	});
	t.after(() => hub.close());
	hub.own.setPublisher(fakePublisher());
	const own = (sequence: number): PublisherMark => ({ publisher: 'own', sequence });
	for (const name of ['m1', 'm2', 'm3', 'm4']) {
		hub.own.publish(fieldsOf(name));
	}
	hub.receive(batch(10, [raw(11, 'm1', { mark: own(1) })]));
	await new Promise(setImmediate);
	assert.equal(hub.own.isOutside('/'), false);
	hub.own.onPublishLate(own(3));
	assert.equal(hub.own.isOutside('/'), true);
	assert.deepEqual(outside, ['/ true', '/ true']);
	hub.receive(batch(11, [raw(12, 'm2', { mark: own(2) })]));
	await new Promise(setImmediate);
	assert.equal(hub.own.isOutside('/'), true, 'the third may still come');
	// The third was given up by the publisher: the fourth comes with a hole before it.
	hub.receive(batch(12, [raw(13, 'm4', { mark: own(4) })]));
	await new Promise(setImmediate);
	assert.deepEqual(gaps, []);
	assert.deepEqual(holes, [at(13)]);
});

test('what Redis did not take reaches the siblings, once, whichever way it comes first', async (t) => {
	const shared: LocalMessage[] = [];
	const sender = createHub({ share: (messages) => shared.push(...messages) });
	const sibling = createHub();
	t.after(() => {
		sender.hub.close();
		sibling.hub.close();
	});
	sender.hub.own.setPublisher(fakePublisher());
	sender.hub.own.publish(fieldsOf('m1'));
	sender.hub.own.publish(fieldsOf('m2'));
	sender.hub.own.onPublishLate({ publisher: 'own', sequence: 2 });
	assert.equal(shared.length, 2);
	// The first one had reached the stream, and the sibling, before the sender gave up.
	sibling.hub.receive(batch(10, [raw(11, 'm1', { mark: { publisher: 'own', sequence: 1 } })]));
	await new Promise(setImmediate);
	sibling.hub.own.receiveLocal(shared);
	assert.deepEqual(sibling.heard, ['m1@11-0', 'm2@11-0~']);
	sibling.hub.receive(batch(11, [raw(12, 'm2', { mark: { publisher: 'own', sequence: 2 } })]));
	await new Promise(setImmediate);
	assert.equal(sibling.heard.length, 2);
});

test('what must be saved first holds back the next entry, and the rest behind it in order', async (t) => {
	let release: (() => void) | undefined;
	let blocked: Promise<void> | undefined = new Promise((resolve) => {
		release = resolve;
	});
	const { hub, heard } = createHub({ barrier: () => blocked });
	t.after(() => hub.close());
	hub.receive(batch(10, [raw(11, 'a'), raw(12, 'b')]));
	hub.receive(batch(12, [raw(13, 'c')]));
	await new Promise(setImmediate);
	assert.deepEqual(heard, []);
	blocked = undefined;
	release?.();
	await new Promise(setImmediate);
	assert.deepEqual(heard, ['a@11-0', 'b@12-0', 'c@13-0']);
});

test('a rewound stream is read from where it is now; a namespace that throws stops nothing', async (t) => {
	const { hub, heard, gaps } = createHub();
	t.after(() => hub.close());
	hub.add('/bad', {
		rooms: new Set<string>(),
		deliver: () => {
			throw new Error('a listener of the application');
		},
	});
	hub.skipTo('rewound', at(3));
	assert.deepEqual(gaps, [['rewound', at(3)]]);
	hub.receive(batch(3, [raw(4, 'x', { nsp: '/bad' }), raw(5, 'y')]));
	await new Promise(setImmediate);
	assert.deepEqual(heard, ['y@5-0']);
});

test('a batch that concerns nobody is passed over, unless it is known already or the interest has changed since', (t) => {
	const { hub, heard, rooms } = createHub();
	t.after(() => hub.close());
	rooms.add('new');
	const quiet = (after: number, ms: number, quietFor: string): StreamBatch => ({
		...batch(after, [raw(ms, 'unheard', { to: 'new' })]),
		quietFor,
	});
	hub.receive(quiet(10, 12, 'none'));
	assert.equal(hub.cursor, at(12));
	hub.receive(quiet(10, 11, 'none'));
	assert.equal(hub.cursor, at(12));
	assert.deepEqual(heard, []);
	hub.receive(quiet(12, 13, 'an older interest'));
	assert.deepEqual(heard, ['unheard@13-0']);
});

test('own messages that the reader has passed over are delivered before the next one, and are no echoes to wait for', (t) => {
	const outside: boolean[] = [];
	const { hub, heard } = createHub({ onOutside: (_nsp, isOutside) => outside.push(isOutside) });
	t.after(() => hub.close());
	hub.own.setPublisher(fakePublisher());
	const own = (sequence: number): RawOptions => ({ mark: { publisher: 'own', sequence } });
	hub.own.publish(fieldsOf('a'));
	hub.own.publish(fieldsOf('b'));
	hub.receive(batch(10, [raw(12, 'b', own(2))]));
	assert.deepEqual(heard, ['a@12-0~', 'b@12-0']);

	hub.own.publish(fieldsOf('lost with the gap'));
	hub.own.onPublished({ publisher: 'own', sequence: 3 });
	hub.skipTo('trimmed', at(20));
	hub.own.publish(fieldsOf('d'));
	hub.receive(batch(20, [raw(21, 'd', own(4))]));
	assert.deepEqual(heard.slice(2), ['d@21-0']);

	hub.skipTo('trimmed', at(30));
	hub.own.publish(fieldsOf('e'));
	hub.own.publish(fieldsOf('f'));
	hub.receive({ ...batch(30, [raw(32, 'f', { ...own(6), to: 'elsewhere' })]), quietFor: 'none' });
	assert.deepEqual(heard.slice(3), ['e@32-0~']);
	assert.deepEqual(outside, []);
});

test('what was delivered without the stream and lost with a gap is waited for no longer once a later message comes', (t) => {
	const outside: boolean[] = [];
	const { hub } = createHub({ onOutside: (_nsp, isOutside) => outside.push(isOutside) });
	t.after(() => hub.close());
	hub.own.setPublisher(fakePublisher());
	const own = (sequence: number): RawOptions => ({ mark: { publisher: 'own', sequence } });
	hub.own.publish(fieldsOf('late'));
	hub.own.onPublishLate({ publisher: 'own', sequence: 1 });
	hub.skipTo('rewound', at(20));
	assert.equal(hub.own.isOutside('/'), true, 'it may still come');
	hub.own.publish(fieldsOf('next'));
	hub.receive(batch(20, [raw(21, 'next', own(2))]));
	assert.equal(hub.own.isOutside('/'), false);
	assert.deepEqual(outside, [true, false]);
});
