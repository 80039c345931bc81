/**
 * Nothing is lost, repeated or reordered without being told, whatever is killed, frozen, emptied, cut off or set back.
 *
 *   LEDGER_SEED      another order of the disturbances and of the traffic
 *   LEDGER_MESSAGES  goes round until so many messages are acknowledged; by default each disturbance comes once (`npm run soak`: 200,000)
 *   LEDGER_PODS      2; LEDGER_WORKERS of each: 2
 *   LEDGER_STEADY    16 clients that stay in the rooms they connect with, and insist on what they say
 *   LEDGER_MOVERS    12 clients that join and leave rooms all the time; with LEDGER_STEADY=0 all do
 *   LEDGER_OPTIONS   JSON of more options of the pods, as {"delivery":"follow"}
 */
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { lastFirst } from '../support/last-first.ts';
import { startRedis } from '../support/redis-server.ts';
import { FLEET_DISTURBANCES, redisDisturbances, sentinelDisturbances } from './support/disturbances.ts';
import { startFront } from './support/front.ts';
import { keepLedger, type Place } from './support/ledger.ts';
import { SENTINEL_NAME, startPair } from './support/sentinel.ts';

const MESSAGES = Number(process.env.LEDGER_MESSAGES ?? 0);
const SEED = Number(process.env.LEDGER_SEED ?? 20_251_125);
const SIZE = {
	pods: Number(process.env.LEDGER_PODS ?? 2),
	steady: Number(process.env.LEDGER_STEADY ?? 16),
	movers: Number(process.env.LEDGER_MOVERS ?? 12),
};
const OPTIONS: Place['options'] = {
	workers: Number(process.env.LEDGER_WORKERS ?? 2),
	...(JSON.parse(process.env.LEDGER_OPTIONS ?? '{}') as Place['options']),
};
/** Far more than it takes: each wait has a deadline of its own. */
const TIMEOUT_MS = 550_000 + MESSAGES * 20;

test('one Redis: workers, pods, Redis and the network between them fail', { timeout: TIMEOUT_MS }, async (context) => {
	const t = lastFirst(context);
	const redis = await startRedis(t, { args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
	const front = await startFront(t, redis.port);
	const redisUrl = `redis://127.0.0.1:${front.port}`;
	const place = { options: { ...OPTIONS, redisUrl }, source: redisUrl };
	const disturbances = { ...FLEET_DISTURBANCES, ...redisDisturbances(redis, front) };
	context.diagnostic(await keepLedger(t, place, { seed: SEED, messages: MESSAGES, size: SIZE, disturbances }));
});

test('Redis behind a Sentinel: a replica that lags takes over', { timeout: TIMEOUT_MS }, async (context) => {
	const t = lastFirst(context);
	const pair = await startPair(t);
	const { port } = pair.sentinel;
	const source = new Redis({ sentinels: [{ host: '127.0.0.1', port }], name: SENTINEL_NAME, lazyConnect: true });
	const place = { options: { ...OPTIONS, redisUrl: `redis://127.0.0.1:${port}`, redisMode: 'sentinel' }, source };
	// Its share of the 200,000 is small: each failover takes as long as the Sentinel does.
	const plan = { seed: SEED, messages: MESSAGES / 10, size: SIZE, disturbances: sentinelDisturbances(pair) };
	context.diagnostic(await keepLedger(t, place, plan));
});
