import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LocalMessage } from '../../../src/adapter/pending-messages.ts';
import { type HubGap, StreamHub, type StreamHubDeps } from '../../../src/adapter/stream-hub.ts';
import { createSilentLogger } from '../../../src/base/log.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { createMetrics } from '../../../src/metrics/registry.ts';
import type { Publisher } from '../../../src/redis/publisher.ts';
import type { RawEntry } from '../../../src/redis/reader.ts';
import { formatMark, type PublisherMark } from '../../../src/redis/stream-entry.ts';
import type { StreamOffset } from '../../../src/redis/stream-offset.ts';

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
		onEntry: () => undefined,
		onGap: (reason, cursor) => gaps.push([reason, cursor]),
		...deps,
	});
	hub.add('/', {
		hasRoom: (room) => rooms.has(room),
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
	hub.receive(at(10), [
		raw(9, 'old'),
		raw(11, 'a'),
		raw(12, 'b', { to: 'here' }),
		raw(13, 'c', { to: 'elsewhere' }),
		raw(14, 'd', { nsp: '/no' }),
	]);
	hub.receive(at(11), [raw(12, 'b'), raw(14, 'd'), raw(15, 'e')]);
	assert.deepEqual(heard, ['a@11-0', 'b@12-0']);
	return Promise.resolve()
		.then(() => new Promise(setImmediate))
		.then(() => {
			assert.deepEqual(heard, ['a@11-0', 'b@12-0', 'e@15-0']);
			assert.equal(hub.cursor, at(15));
		});
});

test('a repeated entry of one publisher is dropped, a missing one is a gap', async (t) => {
	const { hub, heard, gaps } = createHub();
	t.after(() => hub.close());
	const mark = (sequence: number): RawOptions => ({ mark: { publisher: 'p', sequence } });
	hub.receive(at(10), [raw(11, 'one', mark(4)), raw(12, 'two', mark(5)), raw(13, 'two again', mark(5)), raw(14, 'four', mark(7))]);
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
	hub.receive(at(12), [raw(13, 'c')]);
	hub.receive(at(13), [raw(14, 'd')]);
	await new Promise(setImmediate);
	assert.deepEqual(asked, [[at(10), at(12)]]);
	assert.deepEqual(heard, ['a@11-0', 'b@12-0', 'c@13-0', 'd@14-0']);
});

test('a hole that can not be filled is told, and reading goes on behind it', async (t) => {
	const { hub, heard, gaps } = createHub({ catchUp: () => Promise.resolve({ entries: [], complete: false }) });
	t.after(() => hub.close());
	hub.receive(at(12), [raw(13, 'c')]);
	await new Promise(setImmediate);
	assert.deepEqual(gaps, [['trimmed', at(12)]]);
	assert.deepEqual(heard, ['c@13-0']);
});

test('own messages are delivered when they come back; what failed is delivered at once, with all before it, and not again', async (t) => {
	const { hub, heard } = createHub();
	t.after(() => hub.close());
	hub.setPublisher(fakePublisher());
	const own = (sequence: number): PublisherMark => ({ publisher: 'own', sequence });
	for (const name of ['m1', 'm2', 'm3']) {
		hub.publish(fieldsOf(name));
	}
	assert.deepEqual(heard, []);
	hub.onPublished(own(1));
	hub.receive(at(10), [raw(11, 'm1', { mark: own(1) })]);
	await new Promise(setImmediate);
	hub.onPublishLate(own(3));
	assert.deepEqual(heard, ['m1@11-0', 'm2@11-0~', 'm3@11-0~']);
	hub.receive(at(11), [raw(12, 'm2', { mark: own(2) }), raw(13, 'm3', { mark: own(3) }), raw(14, 'other')]);
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
	hub.setPublisher(fakePublisher());
	const own = (sequence: number): PublisherMark => ({ publisher: 'own', sequence });
	for (const name of ['m1', 'm2', 'm3', 'm4']) {
		hub.publish(fieldsOf(name));
	}
	hub.receive(at(10), [raw(11, 'm1', { mark: own(1) })]);
	await new Promise(setImmediate);
	assert.equal(hub.isOutside('/'), false);
	hub.onPublishLate(own(3));
	assert.equal(hub.isOutside('/'), true);
	assert.deepEqual(outside, ['/ true', '/ true']);
	hub.receive(at(11), [raw(12, 'm2', { mark: own(2) })]);
	await new Promise(setImmediate);
	assert.equal(hub.isOutside('/'), true, 'the third may still come');
	// The third was given up by the publisher: the fourth comes with a hole before it.
	hub.receive(at(12), [raw(13, 'm4', { mark: own(4) })]);
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
	sender.hub.setPublisher(fakePublisher());
	sender.hub.publish(fieldsOf('m1'));
	sender.hub.publish(fieldsOf('m2'));
	sender.hub.onPublishLate({ publisher: 'own', sequence: 2 });
	assert.equal(shared.length, 2);
	// The first one had reached the stream, and the sibling, before the sender gave up.
	sibling.hub.receive(at(10), [raw(11, 'm1', { mark: { publisher: 'own', sequence: 1 } })]);
	await new Promise(setImmediate);
	sibling.hub.receiveLocal(shared);
	assert.deepEqual(sibling.heard, ['m1@11-0', 'm2@11-0~']);
	sibling.hub.receive(at(11), [raw(12, 'm2', { mark: { publisher: 'own', sequence: 2 } })]);
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
	hub.receive(at(10), [raw(11, 'a'), raw(12, 'b')]);
	hub.receive(at(12), [raw(13, 'c')]);
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
		hasRoom: () => true,
		deliver: () => {
			throw new Error('a listener of the application');
		},
	});
	hub.skipTo('rewound', at(3));
	assert.deepEqual(gaps, [['rewound', at(3)]]);
	hub.receive(at(3), [raw(4, 'x', { nsp: '/bad' }), raw(5, 'y')]);
	await new Promise(setImmediate);
	assert.deepEqual(heard, ['y@5-0']);
});

test('own messages that the reader has passed over are delivered before the next one, and are no echoes to wait for', async (t) => {
	const outside: boolean[] = [];
	const { hub, heard } = createHub({ onOutside: (_nsp, isOutside) => outside.push(isOutside) });
	t.after(() => hub.close());
	hub.setPublisher(fakePublisher());
	const own = (sequence: number): RawOptions => ({ mark: { publisher: 'own', sequence } });
	hub.publish(fieldsOf('a'));
	hub.publish(fieldsOf('b'));
	hub.receive(at(10), [raw(12, 'b', own(2))]);
	await new Promise(setImmediate);
	assert.deepEqual(heard, ['a@12-0~', 'b@12-0']);

	hub.publish(fieldsOf('lost with the gap'));
	hub.onPublished({ publisher: 'own', sequence: 3 });
	hub.skipTo('trimmed', at(20));
	hub.publish(fieldsOf('d'));
	hub.receive(at(20), [raw(21, 'd', own(4))]);
	await new Promise(setImmediate);
	assert.deepEqual(heard.slice(2), ['d@21-0']);
	assert.deepEqual(outside, []);
});

test('what was delivered without the stream and lost with a gap is waited for no longer once a later message comes', async (t) => {
	const outside: boolean[] = [];
	const { hub } = createHub({ onOutside: (_nsp, isOutside) => outside.push(isOutside) });
	t.after(() => hub.close());
	hub.setPublisher(fakePublisher());
	const own = (sequence: number): RawOptions => ({ mark: { publisher: 'own', sequence } });
	hub.publish(fieldsOf('late'));
	hub.onPublishLate({ publisher: 'own', sequence: 1 });
	hub.skipTo('rewound', at(20));
	assert.equal(hub.isOutside('/'), true, 'it may still come');
	hub.publish(fieldsOf('next'));
	hub.receive(at(20), [raw(21, 'next', own(2))]);
	await new Promise(setImmediate);
	assert.equal(hub.isOutside('/'), false);
	assert.deepEqual(outside, [true, false]);
});
