import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { Channel, type Endpoint, Requests } from '../../../src/ipc/channel.ts';
import { IPC_VERSION, type ToPrimary, type ToWorker, type WorkerReplies } from '../../../src/ipc/messages.ts';

class FakeEndpoint extends EventEmitter {
	readonly sent: { readonly message: unknown; readonly handle: unknown }[] = [];

	send(message: unknown, handle: unknown, callback: (error: Error | null) => void): boolean {
		this.sent.push({ message, handle });
		callback(null);
		return true;
	}
}

const STATUS = { pid: 1 } as WorkerReplies['status'];

test('messages go out with their version and handle, and come in by kind', () => {
	const endpoint = new FakeEndpoint();
	const received: unknown[] = [];
	const channel = new Channel<ToPrimary, ToWorker>(endpoint, {
		connection: (message, handle) => received.push(message.via, handle),
		'log-level': ({ level }) => received.push(level),
	});
	const handle = new Socket();
	let delivered: unknown = 'not yet';
	channel.send({ kind: 'reasons', reasons: [] }, handle, (error) => {
		delivered = error;
	});
	assert.deepEqual(endpoint.sent, [{ message: { kind: 'reasons', reasons: [], v: IPC_VERSION }, handle }]);
	assert.equal(delivered, null);

	endpoint.emit('message', { kind: 'connection', via: 'public', bytes: undefined, source: undefined, v: IPC_VERSION }, handle);
	endpoint.emit('message', { kind: 'log-level', level: 'debug', v: IPC_VERSION });
	assert.deepEqual(received, ['public', handle, 'debug']);
});

test('messages of others are ignored; another version is an error of the program', () => {
	const endpoint = new FakeEndpoint();
	new Channel<ToPrimary, ToWorker>(endpoint, { drain: () => assert.fail('not for us') });
	for (const message of [
		undefined,
		null,
		'text',
		{},
		{ kind: 'drain' },
		{ v: IPC_VERSION },
		{ kind: 'request', id: 1, what: 'status', v: IPC_VERSION },
	]) {
		endpoint.emit('message', message);
	}
	assert.throws(() => endpoint.emit('message', { kind: 'drain', v: IPC_VERSION + 1 }), { code: 'ERR_UNEXPECTED' });
});

test('a closed channel says so to who wants to know', () => {
	const endpoint: Endpoint = new EventEmitter();
	const channel = new Channel<ToPrimary, ToWorker>(endpoint, {});
	let failure: Error | null = null;
	channel.send({ kind: 'pod-taken' }, undefined, (error) => {
		failure = error;
	});
	assert.match(String(failure), /the channel is closed/);
	assert.doesNotThrow(() => channel.send({ kind: 'pod-taken' }));
});

test('questions are answered by id, within their deadline, or when the worker ends', async (t) => {
	t.mock.timers.enable({ apis: ['setTimeout'] });
	const requests = new Requests();
	const ids: number[] = [];
	const ask = () => requests.ask('status', (message) => ids.push(message.kind === 'request' ? message.id : 0), 1000);
	const [first, second, third] = [ask(), ask(), ask()];
	const [firstId = 0, secondId = 0] = ids;
	requests.settle(secondId, STATUS);
	requests.settle(12_345, STATUS);
	assert.equal(await second, STATUS);
	requests.settle(firstId, { ...STATUS, pid: 2 });
	assert.equal((await first).pid, 2);
	t.mock.timers.tick(1000);
	await assert.rejects(third, { code: 'ERR_DEADLINE' });
	const fourth = ask();
	requests.abandon();
	await assert.rejects(fourth, { code: 'ERR_UNREACHABLE' });
});
