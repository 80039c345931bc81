/** The ways in which a Redis can be set up: with TLS and a password, behind Sentinels, as a Cluster. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { test } from 'node:test';
import type { OptionKey } from '../../src/config/schema.ts';
import { parseOffset } from '../../src/stream/offset.ts';
import { lastFirst } from '../support/last-first.ts';
import { freePort, type Scope, startRedis, type TestRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { type NodeProcess, startNode } from './support/node-process.ts';
import { drop, join, type RowClient } from './support/row.ts';
import { startPair } from './support/sentinel.ts';

const WAIT = { timeoutMs: 90_000 };

interface Fleet {
	readonly nodes: readonly [NodeProcess, NodeProcess];
	readonly clients: readonly [RowClient, RowClient];
}

async function startFleet(t: Scope, redisUrl: string, options: Partial<Record<OptionKey, unknown>>): Promise<Fleet> {
	const start = (pod: string): Promise<NodeProcess> => startNode(t, { kind: 'ours', redisUrl, pod, options });
	const nodes = await Promise.all([start('AAAA'), start('BBBB')]);
	const clients = await Promise.all([join(t, nodes[0].url, { rooms: ['room'] }), join(t, nodes[1].url, { rooms: ['room'] })]);
	return { nodes, clients };
}

/** Broadcasts, requests, and a client that comes back. */
async function checkFleet({ nodes, clients }: Fleet, mark: string): Promise<void> {
	const [first, second] = nodes;
	for (const node of nodes) {
		await waitFor(`${mark}: publishing`, async () => (await node.order<string[]>('reasons')).length === 0, WAIT);
	}
	await waitFor(
		`${mark}: messages from each pod to the other`,
		async () => {
			await first.order('emit', { rooms: ['room'], args: [`${mark} 1`, 1] });
			await second.order('emit', { rooms: ['room'], args: [`${mark} 2`, 1] });
			return clients.every((client) => client.of(`${mark} 1`).length > 0 && client.of(`${mark} 2`).length > 0 && isInStream(client));
		},
		WAIT,
	);
	await waitFor(`${mark}: all sockets`, async () => (await first.order<{ ids: string[] }>('fetch')).ids.length === 2, WAIT);
	const [client] = clients;
	const connects = client.connects.length;
	const { letBack } = drop(client);
	await waitFor(`${mark}: the client to be gone`, async () => (await first.order<{ sockets: number }>('state')).sockets === 0, WAIT);
	await second.order('emit', { rooms: ['room'], args: [`${mark} missed`, 1] });
	letBack();
	await waitFor(`${mark}: the client to be back`, () => client.connects.length > connects, WAIT);
	assert.equal(client.connects.at(-1), true, mark);
	await waitFor(`${mark}: what it missed`, () => client.of(`${mark} missed`).length === 1, WAIT);
}

/** What is delivered in one pod only, while Redis is away, makes no offset: such a client would rightly not be recovered. */
function isInStream({ offsets }: RowClient): boolean {
	return parseOffset(offsets.at(-1)) !== undefined;
}

test('TLS with a certificate authority of its own, a user and a password', async (context) => {
	const t = lastFirst(context);
	const dir = mkdtempSync(joinPath(tmpdir(), 'sf-tls-'));
	t.after(() => rmSync(dir, { recursive: true, force: true }));
	const [key, cert] = [joinPath(dir, 'key.pem'), joinPath(dir, 'cert.pem')];
	const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
	execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert, ...subject], {
		stdio: 'ignore',
	});
	const tlsPort = await freePort();
	const tls = [
		'--tls-port',
		String(tlsPort),
		'--tls-cert-file',
		cert,
		'--tls-key-file',
		key,
		'--tls-ca-cert-file',
		cert,
		'--tls-auth-clients',
		'no',
	];
	await startRedis(t, { args: [...tls, '--user', 'fleet', 'on', '>secret', '~*', '&*', '+@all'] });
	const fleet = await startFleet(t, `rediss://fleet@127.0.0.1:${tlsPort}`, { redisPassword: 'secret', redisTlsCaFile: cert });
	await checkFleet(fleet, 'tls');
});

test('row 20: a Cluster of three masters', async (context) => {
	const t = lastFirst(context);
	const servers = await Promise.all([startMaster(t), startMaster(t), startMaster(t)]);
	const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
	execFileSync('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'], { stdio: 'ignore', timeout: 60_000 });
	const url = addresses.map((address) => `redis://${address}`).join(',');
	await checkFleet(await startFleet(t, url, { redisMode: 'cluster' }), 'cluster');
});

test('Sentinels: after a failover to the replica messages flow again, and nobody is told a lie', async (context) => {
	const t = lastFirst(context);
	const { sentinel, failOver } = await startPair(t);
	const fleet = await startFleet(t, `redis://127.0.0.1:${sentinel.port}`, { redisMode: 'sentinel' });
	await checkFleet(fleet, 'before');
	await failOver();
	await checkFleet(fleet, 'after');
});

/** The bus between the masters needs a port of its own: by default it is 10,000 above the other, which may be past the last. */
async function startMaster(t: Scope): Promise<TestRedis> {
	return startRedis(t, {
		args: ['--cluster-enabled', 'yes', '--cluster-node-timeout', '5000', '--cluster-port', String(await freePort())],
	});
}
