import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createSilentLogger } from '../../src/base/log.ts';
import { type Bus, createBus } from '../../src/ipc/bus.ts';
import { buildFrameHeader } from '../../src/ipc/frames.ts';
import { waitFor } from '../support/wait.ts';

const MIB = 1024 * 1024;
const CHILD = join(import.meta.dirname, '../fixtures/bus-child.ts');

async function makeRunDir(t: TestContext): Promise<string> {
	const runDir = await mkdtemp(join(tmpdir(), 'sf-bus-'));
	t.after(() => rm(runDir, { recursive: true, force: true }));
	return runDir;
}

async function startBus(t: TestContext, runDir: string, slot: number, slots: number): Promise<Bus> {
	const bus = createBus({ runDir, slot, slots, log: createSilentLogger() });
	t.after(() => bus.close());
	await bus.start();
	return bus;
}

/** A bus in a process of its own, ready; killed after the test. */
async function startChild(t: TestContext, runDir: string, slot: number, slots: number): Promise<ChildProcess> {
	const child = fork(CHILD, [runDir, String(slot), String(slots)]);
	t.after(() => child.kill('SIGKILL'));
	await once(child, 'message');
	return child;
}

function collect(bus: Bus, topic: string): { from: number; payload: Buffer }[] {
	const received: { from: number; payload: Buffer }[] = [];
	bus.on(topic, (from, payload) => received.push({ from, payload: Buffer.from(payload) }));
	return received;
}

test('three workers: everyone hears everyone, whole, in order and by topic', async (t) => {
	const runDir = await makeRunDir(t);
	const [first, second, third] = [await startBus(t, runDir, 0, 4), await startBus(t, runDir, 1, 4), await startBus(t, runDir, 2, 4)];
	assert.deepEqual(third.peers(), [0, 1], 'a worker that has started knows all who live');
	await waitFor('the others to know the third', () => first.peers().length === 2 && second.peers().length === 2);

	const numbers = collect(first, 'numbers');
	const atSecond = collect(second, 'numbers');
	const others = collect(first, 'other');
	const count = 3000;
	for (let index = 0; index < count; index++) {
		const payload = Buffer.alloc(index % 500 === 0 ? 2 * MIB : 4 + (index % 700), index % 256);
		payload.writeUInt32BE(index);
		third.broadcast('numbers', payload);
	}
	assert.equal(third.send(0, 'other', Buffer.alloc(0)), true);
	assert.equal(third.send(0, 'nobody listens', Buffer.from('x')), true);
	assert.equal(third.send(3, 'numbers', Buffer.from('x')), false, 'slot 3 has no worker');
	assert.equal(third.send(2, 'numbers', Buffer.from('x')), false, 'nobody sends to itself');
	assert.equal(third.send(0, 'numbers', { length: 65 * MIB } as Uint8Array), false, 'above the limit of a frame');

	await waitFor('all frames', () => numbers.length === count && atSecond.length === count && others.length === 1);
	for (const [index, { from, payload }] of numbers.entries()) {
		assert.equal(from, 2);
		assert.equal(payload.readUInt32BE(), index);
		assert.equal(payload.length, index % 500 === 0 ? 2 * MIB : 4 + (index % 700));
		assert.ok(payload.subarray(4).every((byte) => byte === index % 256));
	}
	assert.deepEqual(others, [{ from: 2, payload: Buffer.alloc(0) }]);
});

test('a sibling that is killed goes down at once and is up again when its slot has a new worker', async (t) => {
	const runDir = await makeRunDir(t);
	const bus = await startBus(t, runDir, 0, 2);
	const changes: string[] = [];
	bus.onPeer((slot, up) => changes.push(`${slot} ${up ? 'up' : 'down'}`));
	const echoes = collect(bus, 'echo');

	const child = await startChild(t, runDir, 1, 2);
	await waitFor('the first life', () => changes.length === 1);
	child.kill('SIGKILL');
	await waitFor('its end', () => changes.length === 2);
	assert.equal(bus.send(1, 'echo', Buffer.from('lost')), false);
	assert.ok(existsSync(join(runDir, 'bus-1.sock')), 'a killed worker leaves its socket file');

	await startChild(t, runDir, 1, 2);
	await waitFor('the second life', () => changes.length === 3);
	assert.deepEqual(changes, ['1 up', '1 down', '1 up']);
	assert.equal(bus.send(1, 'echo', Buffer.from('hello')), true);
	await waitFor('the echo', () => echoes.length === 1);
	assert.equal(echoes[0]?.payload.toString(), 'hello');
});

test('a frozen sibling is dropped when 64 MiB wait for it, others are served, and it is back when it thaws', async (t) => {
	const runDir = await makeRunDir(t);
	const bus = await startBus(t, runDir, 0, 3);
	const echoes = collect(bus, 'echo');
	const frozen = await startChild(t, runDir, 1, 3);
	await startChild(t, runDir, 2, 3);
	await waitFor('both siblings', () => bus.peers().length === 2);

	frozen.kill('SIGSTOP');
	t.after(() => frozen.kill('SIGCONT'));
	const block = Buffer.alloc(4 * MIB);
	let sent = 0;
	while (bus.send(1, 'ignored', block)) {
		sent++;
		assert.ok(sent <= 17, 'the buffer for a sibling is bounded');
	}
	await waitFor('the frozen one to be down', () => !bus.peers().includes(1));
	assert.equal(bus.send(2, 'echo', Buffer.from('still here')), true);
	await waitFor('the other one', () => echoes.length === 1);
	assert.deepEqual(bus.peers(), [2], 'it is not up before it dials');

	frozen.kill('SIGCONT');
	await waitFor('the thawed one', () => bus.peers().includes(1));
	assert.equal(bus.send(1, 'echo', Buffer.from('back')), true);
	await waitFor('its echo', () => echoes.length === 2);
	assert.equal(echoes[1]?.from, 1);
});

test('strangers are cut off, and a newer connection of a slot replaces the older', async (t) => {
	const runDir = await makeRunDir(t);
	const bus = await startBus(t, runDir, 0, 2);
	const heard = collect(bus, 'topic');
	const path = join(runDir, 'bus-0.sock');
	const frame = (topic: string, payload: Buffer) => Buffer.concat([buildFrameHeader(topic, payload.length) ?? Buffer.alloc(0), payload]);
	const hello = (slot: number) => frame('socketfleet-bus/1', Buffer.from([slot]));
	const dial = (first: Buffer) => {
		const socket = connect(path);
		t.after(() => socket.destroy());
		socket.on('error', () => socket.destroy());
		socket.resume().write(first);
		return socket;
	};

	for (const bad of [Buffer.alloc(64, 0xff), frame('hello', Buffer.from([1])), hello(0), hello(7)]) {
		await once(dial(bad), 'close');
	}
	const older = dial(Buffer.concat([hello(1), frame('topic', Buffer.from('older'))]));
	await waitFor('the older', () => heard.length === 1);
	const olderClosed = once(older, 'close');
	const newer = dial(hello(1));
	await olderClosed;
	for (const byte of frame('topic', Buffer.from('newer'))) {
		newer.write(Buffer.from([byte]));
	}
	await waitFor('the newer', () => heard.length === 2);
	assert.deepEqual(
		heard.map(({ from, payload }) => [from, payload.toString()]),
		[
			[1, 'older'],
			[1, 'newer'],
		],
	);
	assert.deepEqual(bus.peers(), [], 'who does not listen is not up');
	newer.write(Buffer.alloc(64, 0xff));
	await once(newer, 'close');
});

test('closing sends what still waits, and a run directory that is too deep is refused with a reason', async (t) => {
	const runDir = await makeRunDir(t);
	const [first, second] = [await startBus(t, runDir, 0, 2), await startBus(t, runDir, 1, 2)];
	const heard = collect(first, 'last words');
	await waitFor('the pair', () => first.peers().length === 1);
	for (let index = 0; index < 20; index++) {
		second.send(0, 'last words', Buffer.alloc(MIB));
	}
	await second.close();
	await waitFor('the last words', () => heard.length === 20);
	await waitFor('the end', () => first.peers().length === 0);
	assert.throws(() => createBus({ runDir: `/${'d'.repeat(100)}`, slot: 0, slots: 1, log: createSilentLogger() }), { code: 'ERR_CONFIG' });
});
