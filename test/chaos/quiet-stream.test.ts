/** A pod that most of the log does not concern: its workers are pushed what does, and must miss nothing of that. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastFirst } from '../support/last-first.ts';
import { startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { type Front, startFront } from './support/front.ts';
import { makeRunDir, type NodeProcess, startNode } from './support/node-process.ts';
import { drop, giveOffset, join, type RowClient } from './support/row.ts';

const WORKERS = 3;
const ROUNDS = 6;
const NOISE = 150;
const WAIT = { timeoutMs: 60_000 };
const portOf = ({ url }: NodeProcess): number => Number(new URL(url).port);

interface Member {
	readonly client: RowClient;
	readonly front: Front;
	readonly room: string;
	sent: number;
}

test('clients move between workers, join rooms and lose their reader in a stream of others: nothing missed, nothing twice', async (context) => {
	const t = lastFirst(context);
	const redis = await startRedis(t);
	const start = (slot: number, slots: number, pod: string, runDir: string) =>
		startNode(t, { kind: 'ours', redisUrl: redis.url, slot, slots, pod, runDir });
	const runDir = makeRunDir(t);
	const workers = await Promise.all(Array.from({ length: WORKERS }, (_, slot) => start(slot, WORKERS, 'AAAA', runDir)));
	const sender = await start(0, 1, 'BBBB', makeRunDir(t));
	let living = workers;
	const members = await Promise.all(
		workers.map(async (worker, index): Promise<Member> => {
			const front = await startFront(t, portOf(worker));
			const room = `room-${index}`;
			return { front, room, sent: 0, client: await join(t, front.url, { rooms: [room] }) };
		}),
	);
	await giveOffset(sender, ...members.map(({ client }) => client));

	const noise = (): Promise<unknown> => sender.order('emit-many', { rooms: ['elsewhere'], args: ['noise', NOISE, 'x'] });
	const speak = async (member: Member): Promise<void> => {
		await sender.order('emit', { rooms: [member.room], args: ['said', member.sent++] });
	};
	for (let round = 0; round < ROUNDS; round++) {
		const roaming = members[round % WORKERS];
		const target = living[(round + 1) % living.length];
		assert.ok(roaming && target);
		const connects = roaming.client.connects.length;
		const { letBack } = drop(roaming.client);
		for (const member of [...members, ...members]) {
			await noise();
			await speak(member);
		}
		if (round === ROUNDS / 2) {
			// A worker goes without a word. Its clients go to the next.
			const [reader] = living;
			living = living.slice(1);
			for (const { front } of members) {
				front.setTarget(portOf(target));
			}
			reader?.kill('SIGKILL');
		}
		roaming.front.setTarget(portOf(target));
		letBack();
		await waitFor('the client to be back', () => roaming.client.connects.length > connects, WAIT);
		await Promise.all([noise(), hearLateComer(target, `late-${round}`)]);
		await speak(roaming);
	}
	await waitFor('the last words', () => members.every(({ client, sent }) => client.of('said').length >= sent), WAIT);
	for (const { client, sent } of members) {
		assert.deepEqual(
			client.of('said'),
			Array.from({ length: sent }, (_, i) => i),
		);
		assert.deepEqual([...new Set(client.connects.slice(1))], [true], 'every return was recovered');
	}

	/** What is sent to a room right after someone joined it is heard there. */
	async function hearLateComer(worker: NodeProcess, room: string): Promise<void> {
		const client = await join(t, worker.url, { rooms: [room] });
		await sender.order('emit', { rooms: [room], args: ['welcome', room] });
		await waitFor('the welcome', () => client.of('welcome').length === 1, WAIT);
		client.socket.disconnect();
	}
});
