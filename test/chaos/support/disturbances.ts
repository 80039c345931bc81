/** What happens to a fleet and to its Redis, by name. Each ends with everything up again; that clients notice, the ledger waits for. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestRedis } from '../../support/redis-server.ts';
import type { Front } from './front.ts';
import type { Disturbances, Stage } from './ledger.ts';
import { STREAM } from './row.ts';
import { ask, type TestPair } from './sentinel.ts';

/** Longer than the publish deadline and the writers': what is under way is given up, and may be done all the same. */
const FREEZE_MS = 2500;
const DOWN_MS = 500;
/** Longer than a read waits for entries: from then on a reader looks whether it was passed. */
const STALL_MS = 2000;
/** Entries that the trim leaves: none of the readers that are not stalled is that far behind. */
const KEPT = 250;

export const FLEET_DISTURBANCES: Disturbances = {
	'a worker is killed': async ({ pods, random }) => {
		const pod = pods[Math.floor(random() * pods.length)];
		const { workers } = (await pod?.status()) ?? { workers: [] };
		const victim = workers[Math.floor(random() * workers.length)];
		assert.ok(victim);
		process.kill(victim.pid, 'SIGKILL');
	},
	'a pod is killed': (stage) =>
		stage.replacePod(async (victim) => {
			victim.kill('SIGKILL');
			await victim.exited;
		}),
};

/** `front` stands before Redis, for the fleet and the writers. */
export function redisDisturbances(redis: TestRedis, front: Front): Disturbances {
	return {
		'Redis is frozen': async () => {
			redis.signal('SIGSTOP');
			await delay(FREEZE_MS);
			redis.signal('SIGCONT');
		},
		'Redis is killed and comes back with its data': async () => {
			await redis.stop('SIGKILL');
			await delay(DOWN_MS);
			await redis.start();
		},
		'Redis is killed and comes back empty': async () => {
			await redis.stop('SIGKILL');
			rmSync(join(redis.dir, 'appendonlydir'), { recursive: true });
			await redis.start();
		},
		'Redis is cut off in the middle of its replies': async (stage) => {
			for (let i = 0; i < 3; i++) {
				front.cutMidReply();
				await stage.moreWritten(50);
			}
		},
		'a reader is stalled past the trim': async (stage) => {
			const reader = await readerOf(stage);
			process.kill(reader, 'SIGSTOP');
			try {
				await Promise.all([stage.moreWritten(2 * KEPT), delay(STALL_MS)]);
				ask(redis.port, 'xtrim', STREAM, 'maxlen', String(KEPT));
			} finally {
				wake(reader);
			}
		},
	};
}

export function sentinelDisturbances(pair: TestPair): Disturbances {
	return {
		'the master is killed while its replica lags': async (stage) => {
			pair.cutOffReplica();
			await stage.moreWritten(100);
			await pair.failOver();
		},
	};
}

function wake(pid: number): void {
	try {
		process.kill(pid, 'SIGCONT');
	} catch (error) {
		// A worker that hangs is ended by its primary: then there is none to wake.
		assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH');
	}
}

/** Of one pod: the lowest slot that is up. */
async function readerOf({ pods, random }: Stage): Promise<number> {
	const pod = pods[Math.floor(random() * pods.length)];
	const { workers } = (await pod?.status()) ?? { workers: [] };
	const reader = workers.find(({ state }) => state === 'ready');
	assert.ok(reader);
	return reader.pid;
}
