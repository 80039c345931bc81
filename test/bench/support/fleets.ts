/** The two ways to run several processes over Redis Streams, side by side on Redis servers of their own. */
import type { OptionKey } from '../../../src/config/schema.ts';
import { type Scope, startRedis, type TestRedis } from '../../support/redis-server.ts';
import { type System, startOfficial, startOurs } from './systems.ts';

export const FLEET_KINDS = ['official adapter', 'socketfleet'] as const;
export type FleetKind = (typeof FLEET_KINDS)[number];

export interface StreamFleet {
	readonly redis: TestRedis;
	/** Starts another pod (or cluster of the official adapter) of this fleet. */
	addPod(workers: number): Promise<System>;
}

/**
 * On a machine with fewer cores than processes everything stalls now and then. That must not be taken for a frozen Redis, or messages
 * would not be published and be cheap: hence a long deadline wherever Redis is not what is tested.
 */
const PATIENT = { publishTimeoutMs: 10_000 };

export async function startFleet(
	scope: Scope,
	kind: FleetKind,
	options: Partial<Record<OptionKey, unknown>> = PATIENT,
): Promise<StreamFleet> {
	const redis = await startRedis(scope);
	const addPod = (workers: number): Promise<System> =>
		kind === 'socketfleet' ? startOurs(scope, { ...options, workers, redisUrl: redis.url }) : startOfficial(scope, workers, redis.url);
	return { redis, addPod };
}
