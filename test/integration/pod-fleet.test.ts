/** Three pods over one Redis with no affinity in front: sessions, messages, and what happens when a pod or Redis goes away. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Redis } from 'ioredis';
import type { Socket } from 'socket.io-client';
import { buildPreamble } from '../../src/net/peer-preamble.ts';
import { mintSessionId, parseSessionId } from '../../src/net/session-id.ts';
import { redisKeysOf } from '../../src/redis/keys.ts';
import { ask, askWhere, connectClient, ECHO_APP, openSession, pollingUrl, send, TRANSPORTS } from '../support/clients.ts';
import { FLEET_KEY, type Pod, startPod } from '../support/pod.ts';
import { type Front, startRoundRobinProxy } from '../support/proxy-client.ts';
import { freePort, startRedis, type TestRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';

const UNKNOWN_SESSION = '{"code":1,"message":"Session ID unknown"}';

interface TestFleet {
	readonly redis: TestRedis;
	readonly pods: readonly [Pod, Pod, Pod];
	readonly front: Front;
}

async function startFleet(t: TestContext): Promise<TestFleet> {
	const redis = await startRedis(t);
	const start = () => startPod(t, { app: ECHO_APP, options: { redisUrl: redis.url } });
	const pods = await Promise.all([start(), start(), start()]);
	await waitFor('the pods to know each other', async () => {
		const known = await Promise.all(pods.map(async (pod) => (await pod.metric('socketfleet_pods')) === 3));
		return known.every(Boolean);
	});
	return {
		redis,
		pods,
		front: await startRoundRobinProxy(
			t,
			pods.map(({ url }) => url),
		),
	};
}

/** Two clients of each transport, all connected through the proxy. */
async function connectAll(t: TestContext, url: string): Promise<readonly Socket[]> {
	return Promise.all([...TRANSPORTS, ...TRANSPORTS].map((transport) => connectClient(t, url, { transport, reconnection: true })));
}

async function sumOf(pods: readonly Pod[], name: string, labels: Record<string, string> = {}): Promise<number> {
	const values = await Promise.all(pods.map((pod) => pod.metric(name, labels)));
	return values.reduce((sum, value) => sum + value, 0);
}

/** Repeats what one client emits until every one of `clients` has heard it: what was sent while Redis was away is not in question here. */
async function untilHeard(what: string, clients: readonly Socket[], emit: (text: string) => void): Promise<void> {
	const text = `${what} ${Math.random()}`;
	const heard = new Set<Socket>();
	const listeners = clients.map((client) => {
		const listener = (value: string) => {
			if (value === text) {
				heard.add(client);
			}
		};
		client.on('heard', listener);
		return () => client.off('heard', listener);
	});
	await waitFor(
		what,
		() => {
			emit(text);
			return heard.size === clients.length;
		},
		{ everyMs: 200, timeoutMs: 60_000 },
	);
	for (const stop of listeners) {
		stop();
	}
}

async function echoAll(clients: readonly Socket[]): Promise<void> {
	for (const round of [1, 2, 3]) {
		assert.deepEqual(
			await Promise.all(clients.map((client) => ask<number>(client, 'echo', round))),
			clients.map(() => round),
		);
	}
}

test('three pods behind a proxy that sends every request to another pod', async (t) => {
	const { redis, pods, front } = await startFleet(t);
	const clients = await connectAll(t, front.url);
	const [first, ...others] = clients as [Socket, ...Socket[]];

	await t.test('stock clients on every transport; nobody is unknown', async () => {
		await echoAll(clients);
		const places = await Promise.all(clients.map(askWhere));
		assert.ok(new Set(places.map(({ pod }) => pod)).size > 1);
		assert.deepEqual(
			places.map(({ transport }) => transport),
			['polling', 'websocket', 'websocket', 'polling', 'websocket', 'websocket'],
		);
		assert.equal(await sumOf(pods, 'socketfleet_unknown_sessions_total'), 0);
		assert.ok((await sumOf(pods, 'socketfleet_forwarded_requests_total', { target: 'pod', result: 'ok' })) > 10);
		assert.equal(await sumOf(pods, 'socketfleet_forwarded_requests_total', { result: 'error' }), 0);
	});

	await t.test('broadcasts, rooms, fetchSockets and serverSideEmit reach every pod', async () => {
		await untilHeard('a broadcast', clients, (text) => first.emit('announce', text));
		const members = others.slice(0, 3);
		await Promise.all(members.map((client) => ask(client, 'join', 'room')));
		const strangers: string[] = [];
		for (const client of [first, ...others.slice(3)]) {
			client.on('heard', (text: string) => strangers.push(text));
		}
		await untilHeard('a room', members, (text) => first.emit('shout', 'room', text));
		assert.deepEqual(
			strangers.filter((text) => text.startsWith('a room')),
			[],
		);
		const ids = new Set(clients.map(({ id }) => id));
		await waitFor('every socket to be listed', async () => {
			const listed = await ask<string[]>(first, 'list');
			return listed.length === ids.size && listed.every((id) => ids.has(id));
		});
		await waitFor('every other worker to answer', async () => new Set(await ask<string[]>(first, 'ask-servers')).size === 5);
	});

	await t.test('forged session ids are answered 400, and go to no made-up pod', async () => {
		const [pod, neighbour] = pods;
		const [own, other] = await Promise.all([pod.status(), neighbour.status()]);
		const errors = () => pod.metric('socketfleet_forwarded_requests_total', { target: 'pod', result: 'error' });
		const before = { unknown: await pod.metric('socketfleet_unknown_sessions_total'), errors: await errors() };
		const forged = [
			mintSessionId({ pod: '0000', slot: 0 }),
			mintSessionId({ pod: own.pod, slot: 40 }),
			mintSessionId({ pod: own.pod, slot: 0 }),
			mintSessionId({ pod: own.pod, slot: 1 }),
			'short',
			`${mintSessionId({ pod: own.pod, slot: 0 })}x`,
			'..%2F..%2Fetc%2Fpasswd',
		];
		for (const sid of forged) {
			const { status, body } = await send(pollingUrl(pod.url, sid));
			assert.deepEqual([status, body], [400, UNKNOWN_SESSION], sid);
			const headers = {
				Connection: 'Upgrade',
				Upgrade: 'websocket',
				'Sec-WebSocket-Version': '13',
				'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
			};
			const upgrade = await send(pollingUrl(pod.url, sid).replace('polling', 'websocket'), { headers });
			assert.equal(upgrade.status, 400, sid);
		}
		assert.equal(await errors(), before.errors, 'nobody was called');
		assert.equal((await send(pollingUrl(pod.url, mintSessionId({ pod: other.pod, slot: 40 })))).status, 400);
		// The owner counts those that it was asked for, siblings included.
		assert.ok((await pod.metric('socketfleet_unknown_sessions_total')) >= before.unknown + 2 * forged.length + 1);
	});

	await t.test('the internal port takes nobody without the key', async () => {
		const [pod] = pods;
		const { pod: id } = await pod.status();
		const base = { key: FLEET_KEY, pod: id, slot: 0, now: Date.now(), nonce: 'abcdefgh' };
		const request = `GET ${new URL(pollingUrl(pod.url)).pathname}?EIO=4&transport=polling HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n`;
		const strangers = [
			request,
			buildPreamble({ ...base, key: 'another-key-0123456789' }),
			buildPreamble({ ...base, now: base.now - 120_000 }),
			buildPreamble({ ...base, pod: '0000' }),
		];
		const before = await pod.metric('socketfleet_rejected_connections_total', { reason: 'bad_preamble' });
		for (const bytes of strangers) {
			assert.equal(await exchange(pod.ports.internal ?? 0, [bytes, request]), '');
		}
		assert.equal(await pod.metric('socketfleet_rejected_connections_total', { reason: 'bad_preamble' }), before + strangers.length);
		assert.match(await exchange(pod.ports.internal ?? 0, [buildPreamble({ ...base, now: Date.now() }), request]), /^HTTP\/1\.1 200 OK\r\n/);
	});

	await t.test('a frozen Redis breaks no forwarding', async () => {
		const heartbeatErrors = () => Promise.all(pods.map((pod) => pod.metric('socketfleet_redis_errors_total', { reason: 'heartbeat' })));
		const before = await heartbeatErrors();
		redis.signal('SIGSTOP');
		try {
			await echoAll(clients);
			await waitFor('every pod to miss Redis', async () => (await heartbeatErrors()).every((count, index) => count > (before[index] ?? 0)));
			await echoAll(clients);
			const fresh = await connectClient(t, front.url, { transport: 'polling' });
			await echoAll([fresh]);
			for (const pod of pods) {
				assert.equal((await fetch(`${pod.adminUrl}/readyz`)).status, 200);
				assert.equal(await pod.metric('socketfleet_pods'), 3);
			}
		} finally {
			redis.signal('SIGCONT');
		}
		await untilHeard('a broadcast after the thaw', clients, (text) => first.emit('announce', text));
	});

	await t.test('after a restart of Redis messages flow again', async () => {
		await redis.restart();
		// The new server has none of the old stream: clients may be made to come back, so that they know what they missed.
		await untilHeard('a broadcast after the restart', clients, (text) => first.emit('announce', text));
		await waitFor('no pod to complain', async () => {
			const answers = await Promise.all(pods.map(async (pod) => (await pod.status()).reasons.length));
			return answers.every((count) => count === 0);
		});
	});

	await t.test('the session of a killed pod is answered 400 and counted; the others go on', async () => {
		const [survivor, second, victim] = pods;
		const { pod: victimId } = await victim.status();
		const sid = await openSession(victim.url);
		assert.equal(parseSessionId(sid)?.pod, victimId);
		assert.equal((await send(pollingUrl(survivor.url, sid), { method: 'POST' }, '40')).status, 200);
		const before = await survivor.metric('socketfleet_unknown_sessions_total');
		victim.kill('SIGKILL');
		await victim.exited;
		const { status, body } = await waitFor('its workers to follow', async () => {
			const answer = await send(pollingUrl(survivor.url, sid), { method: 'POST' }, '40');
			return answer.status === 400 && answer;
		});
		assert.deepEqual([status, body], [400, UNKNOWN_SESSION]);
		assert.ok((await survivor.metric('socketfleet_unknown_sessions_total')) > before);
		const others = await startRoundRobinProxy(t, [survivor.url, second.url]);
		await echoAll(await connectAll(t, others.url));
	});
});

/** Sends `parts` over one connection; resolves to all that came back when the other side has closed or reset it. */
function exchange(port: number, parts: readonly (Buffer | string)[]): Promise<string> {
	return new Promise((resolve) => {
		const socket = connect(port, '127.0.0.1');
		let answer = '';
		socket.setEncoding('utf8').on('data', (text: string) => {
			answer += text;
		});
		socket.on('error', () => socket.destroy());
		socket.on('close', () => resolve(answer));
		for (const part of parts) {
			socket.write(part);
		}
	});
}

test('Redis away at the start: the pod serves, says that it is degraded, and recovers', async (t) => {
	const port = await freePort();
	const pod = await startPod(t, { app: ECHO_APP, options: { redisUrl: `redis://127.0.0.1:${port}` } });
	const readyz = async () => {
		const answer = await fetch(`${pod.adminUrl}/readyz`);
		return { status: answer.status, ...((await answer.json()) as { ready: boolean; reasons: string[] }) };
	};
	const degraded = await waitFor('a reason', async () => {
		const answer = await readyz();
		return answer.reasons.length > 0 && answer;
	});
	assert.equal(degraded.status, 200);
	assert.match(degraded.reasons.join('\n'), /Redis/);
	const clients = await connectAll(t, pod.url);
	await echoAll(clients);

	await startRedis(t, { port });
	await waitFor('the degradation to end', async () => (await readyz()).reasons.length === 0);
	await untilHeard('a broadcast', clients, (text) => clients[0]?.emit('announce', text));
	assert.equal((await readyz()).status, 200);
});

test('a pod whose id another pod holds starts again under a new one', async (t) => {
	const redis = await startRedis(t);
	const pod = await startPod(t, { app: ECHO_APP, options: { redisUrl: redis.url } });
	const { pod: oldId } = await pod.status();
	const client = new Redis(redis.port, '127.0.0.1');
	t.after(() => client.disconnect());
	const { pods: key } = redisKeysOf({ fleet: 'default', redisMode: 'standalone' });
	const record = JSON.parse((await client.hget(key, oldId)) ?? '{}') as { incarnation: string; at: number };
	await client.hset(key, oldId, JSON.stringify({ ...record, incarnation: 'another pod', at: record.at + 60_000 }));

	const { pod: newId } = await waitFor(
		'another id',
		async () => {
			const status = await pod.status();
			return status.pod !== oldId && status.workers.every(({ state }) => state === 'ready') && status;
		},
		{ timeoutMs: 60_000 },
	);
	assert.equal(parseSessionId(await openSession(pod.url))?.pod, newId);
	assert.ok(pod.logs().some(({ msg }) => msg.startsWith('another pod of the fleet has our id')));
	assert.ok((await client.hkeys(key)).includes(newId));
});
