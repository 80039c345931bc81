/** Requests between servers while servers, their namespaces and Redis go: who can answer is waited for, and nobody else. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Redis } from 'ioredis';
import { lastFirst } from '../support/last-first.ts';
import { type Scope, startRedis, type TestRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { type NodeProcess, startNode } from './support/node-process.ts';
import { join, type RowClient } from './support/row.ts';

const WAIT = { timeoutMs: 60_000 };
/** A question waits for 5 s; what is answered before that was settled, however slow the machine. */
const SETTLED_MS = 3500;

interface Fetched {
	readonly ids: readonly string[];
	readonly missing: readonly string[];
	readonly ms: number;
}

interface Asked {
	readonly answers: readonly string[];
	readonly missing: readonly string[];
	readonly ms: number;
}

interface Acknowledged {
	readonly answers: readonly unknown[];
	readonly failed: boolean;
	readonly ms: number;
}

interface Stage {
	readonly t: Scope;
	readonly redis: TestRedis;
	readonly asking: NodeProcess;
	readonly second: NodeProcess;
	readonly third: NodeProcess;
}

/** Three pods of one worker, each of which knows the others. */
async function setStage(context: TestContext): Promise<Stage> {
	const t = lastFirst(context);
	const redis = await startRedis(t);
	const start = (pod: string): Promise<NodeProcess> => startNode(t, { kind: 'ours', redisUrl: redis.url, pod });
	const [asking, second, third] = await Promise.all([start('AAAA'), start('BBBB'), start('CCCC')]);
	await knowEachOther(t, redis, '/', asking, second, third);
	return { t, redis, asking, second, third };
}

/** Each has heard a heartbeat of every other one: what does not answer from then on is missing by its name. */
async function knowEachOther(t: Scope, redis: TestRedis, nsp: string, ...nodes: readonly NodeProcess[]): Promise<void> {
	await waitFor('the servers to listen', async () => (await nodes[0]?.order<number>('servers', { nsp })) === nodes.length, WAIT);
	const heard = new Set<string>();
	const listener = new Redis(redis.url);
	t.after(() => listener.disconnect());
	listener.on('message', (_channel, beat) => {
		const { name, nodes: held } = JSON.parse(beat) as { name: string; nodes: Record<string, string> };
		if (held[nsp] !== undefined) {
			heard.add(name);
		}
	});
	await listener.subscribe('socketfleet:default:members');
	await waitFor('a heartbeat of each', () => heard.size === nodes.length, WAIT);
	listener.disconnect();
	for (const node of nodes) {
		// What comes back has come behind the heartbeats.
		assert.equal((await node.order<Asked>('ask', { nsp })).answers.length, nodes.length - 1);
	}
}

const fetch = (node: NodeProcess, nsp = '/'): Promise<Fetched> => node.order('fetch', { nsp });
const emitWithAck = (node: NodeProcess, room: string, timeoutMs: number): Promise<Acknowledged> =>
	node.order('emit-with-ack', { rooms: [room], args: ['question', timeoutMs] });

function answerWith(client: RowClient, value: unknown): RowClient {
	client.socket.on('question', (answer: (value: unknown) => void) => answer(value));
	return client;
}

function report(context: TestContext, what: string, ms: number): void {
	context.diagnostic(`${what}: ${Math.round(ms)} ms`);
}

test('a namespace that closes on a server: who has asked it is answered, for what it had is gone', async (context) => {
	const { t, redis, asking, second } = await setStage(context);
	const nsp = '/dynamic-1';
	const [, leaving] = await Promise.all([join(t, asking.url, { path: nsp }), join(t, second.url, { path: nsp })]);
	await knowEachOther(t, redis, nsp, asking, second);
	const asked = asking.order<Asked>('ask', { nsp, args: ['unanswered'] });
	// The question is on its way before the order to leave is.
	await asking.order('ping');
	leaving.socket.disconnect();
	const { answers, missing, ms } = await asked;
	report(context, 'answered after', ms);
	assert.deepEqual({ answers, missing }, { answers: [], missing: [] });
	assert.ok(ms < SETTLED_MS, `${ms} ms`);
});

test('namespaces that open and close all the time: no question waits for one that is gone', async (context) => {
	const { t, asking, second, third } = await setStage(context);
	const nsp = '/dynamic-2';
	await join(t, asking.url, { path: nsp });
	const times: number[] = [];
	let churning = true;
	const churn = async (node: NodeProcess): Promise<void> => {
		while (churning) {
			const guest = await join(t, node.url, { path: nsp });
			guest.socket.disconnect();
		}
	};
	const churns = [churn(second), churn(third)];
	const until = Date.now() + 10_000;
	while (Date.now() < until) {
		times.push((await fetch(asking, nsp)).ms);
	}
	churning = false;
	await Promise.all(churns);
	const slow = times.filter((ms) => ms > 1000);
	context.diagnostic(`${times.length} questions, the slowest took ${Math.round(Math.max(...times))} ms, ${slow.length} more than a second`);
	assert.ok(Math.max(...times) < SETTLED_MS, `${slow.length} of ${times.length} questions: ${slow.map(Math.round).join()} ms`);
});

test('with Redis frozen, fetchSockets() answers within one deadline', async (context) => {
	const { t, redis, asking } = await setStage(context);
	const client = await join(t, asking.url);
	redis.signal('SIGSTOP');
	t.after(() => redis.signal('SIGCONT'));
	const { ids, missing, ms } = await fetch(asking);
	report(context, 'answered after', ms);
	assert.deepEqual(ids, [client.socket.id]);
	assert.deepEqual([...missing].sort(), ['BBBB/0', 'CCCC/0'], 'who may have sockets is named');
	assert.ok(ms < 7500, `${ms} ms`);
});

test('a server that was killed is not waited for, nor is it missing', async (context) => {
	const { t, asking, second, third } = await setStage(context);
	const client = await join(t, second.url);
	third.kill('SIGKILL');
	await third.gone;
	const first = await fetch(asking);
	report(context, 'answered after', first.ms);
	assert.deepEqual({ ids: first.ids, missing: first.missing }, { ids: [client.socket.id], missing: [] });
	assert.ok(first.ms < 2500, `${first.ms} ms`);
	const next = await fetch(asking);
	report(context, 'the next one after', next.ms);
	assert.ok(next.ms < 1000, `${next.ms} ms`);
});

test('a server that is killed while it is asked is not waited for', async (context) => {
	const { asking, third } = await setStage(context);
	third.kill('SIGSTOP');
	const fetched = fetch(asking);
	await asking.order('ping');
	third.kill('SIGKILL');
	const { missing, ms } = await fetched;
	report(context, 'answered after', ms);
	assert.deepEqual(missing, []);
	assert.ok(ms < 2500, `${ms} ms`);
});

test('a server that lives and does not listen is missing, not gone', async (context) => {
	const t = lastFirst(context);
	const redis = await startRedis(t);
	const direct = new Redis(redis.url);
	t.after(() => direct.disconnect());
	await direct.acl('SETUSER', 'third', 'on', '>secret', '~*', '&*', '+@all');
	const asking = await startNode(t, { kind: 'ours', redisUrl: redis.url, pod: 'AAAA' });
	const third = await startNode(t, { kind: 'ours', redisUrl: redis.url.replace('//', '//third:secret@'), pod: 'CCCC' });
	await knowEachOther(t, redis, '/', asking, third);
	// Its connections break, that for requests and that for messages, and it may not subscribe again; what it sends, its heartbeats, is heard.
	await direct.acl('SETUSER', 'third', '-subscribe');
	assert.equal(await direct.call('CLIENT', 'KILL', 'USER', 'third', 'TYPE', 'pubsub'), 2);
	const { missing, ms } = await fetch(asking);
	report(context, 'answered after', ms);
	assert.equal(third.exit(), undefined);
	assert.deepEqual(missing, ['CCCC/0']);
});

test('emitWithAck() to a room waits for the clients in it, and not for servers that have none', async (context) => {
	const { t, asking, second, third } = await setStage(context);
	answerWith(await join(t, second.url, { rooms: ['room'] }), 'here');
	const answered = await emitWithAck(asking, 'room', 10_000);
	report(context, 'a room on another server', answered.ms);
	assert.deepEqual(answered.answers, ['here']);
	assert.ok(answered.ms < 1000, `${answered.ms} ms`);
	const own = await emitWithAck(second, 'room', 10_000);
	report(context, 'a room on the server that asks', own.ms);
	assert.deepEqual(own.answers, ['here']);
	assert.ok(own.ms < 1000, `${own.ms} ms`);
	const local = await second.order<Acknowledged>('emit-with-ack', { rooms: ['room'], args: ['question', 10_000, 'local'] });
	report(context, 'a room on the server that asks, and no other', local.ms);
	assert.deepEqual(local, { answers: ['here'], failed: false, ms: local.ms });
	const nobody = await emitWithAck(third, 'nobody', 10_000);
	report(context, 'a room of which nobody has members', nobody.ms);
	assert.deepEqual(nobody, { answers: [], failed: false, ms: nobody.ms });
	assert.ok(nobody.ms < 1000, `${nobody.ms} ms`);
});

test('emitWithAck() after a server was killed, and while one is', async (context) => {
	const { t, asking, second, third } = await setStage(context);
	answerWith(await join(t, second.url, { rooms: ['room'] }), 'here');
	third.kill('SIGSTOP');
	const between = emitWithAck(asking, 'room', 15_000);
	await asking.order('ping');
	third.kill('SIGKILL');
	const first = await between;
	report(context, 'a server that died between', first.ms);
	assert.deepEqual(first, { answers: ['here'], failed: false, ms: first.ms });
	assert.ok(first.ms < 5000, `${first.ms} ms`);
	const next = await emitWithAck(asking, 'room', 15_000);
	report(context, 'the next one', next.ms);
	assert.deepEqual(next, { answers: ['here'], failed: false, ms: next.ms });
	assert.ok(next.ms < 1000, `${next.ms} ms`);
});

test('emitWithAck() waits for clients of a server that died, which did not acknowledge, and for a server that is frozen', async (context) => {
	const { t, asking, second, third } = await setStage(context);
	answerWith(await join(t, second.url, { rooms: ['room'] }), 'here');
	let asked = 0;
	const mute = await join(t, third.url, { rooms: ['room'], reconnection: false });
	mute.socket.on('question', () => asked++);
	const answered = emitWithAck(asking, 'room', 4000);
	await waitFor('the client to be asked', () => asked === 1, WAIT);
	third.kill('SIGKILL');
	const died = await answered;
	assert.deepEqual(died, { answers: ['here'], failed: true, ms: died.ms });
	second.kill('SIGSTOP');
	const frozen = await emitWithAck(asking, 'room', 2000);
	assert.deepEqual(frozen, { answers: [], failed: true, ms: frozen.ms });
});

test('emitWithAck() while namespaces open and close all the time', async (context) => {
	const { t, asking, second, third } = await setStage(context);
	const nsp = '/dynamic-3';
	answerWith(await join(t, asking.url, { path: nsp, rooms: ['room'] }), 'here');
	let churning = true;
	const churn = async (node: NodeProcess): Promise<void> => {
		while (churning) {
			const guest = await join(t, node.url, { path: nsp });
			guest.socket.disconnect();
		}
	};
	const churns = [churn(second), churn(third)];
	const until = Date.now() + 10_000;
	const found: Acknowledged[] = [];
	while (Date.now() < until) {
		found.push(await asking.order<Acknowledged>('emit-with-ack', { nsp, rooms: ['room'], args: ['question', 5000] }));
	}
	churning = false;
	await Promise.all(churns);
	const failed = found.filter((answer) => answer.failed).length;
	context.diagnostic(
		`${found.length} questions, ${failed} failed, the slowest took ${Math.round(Math.max(...found.map(({ ms }) => ms)))} ms`,
	);
	assert.equal(failed, 0);
	assert.ok(found.every(({ answers }) => answers.length === 1 && answers[0] === 'here'));
});
