/** The two ways to run several processes over Redis Streams, side by side on Redis servers of their own. */
import { type Scope, startRedis, type TestRedis } from '../../support/redis-server.ts';
import { type System, startOfficial, startOurs } from './systems.ts';

export const FLEET_KINDS = ['official adapter', 'socketfleet'] as const;
export type FleetKind = (typeof FLEET_KINDS)[number];

export interface StreamFleet {
	readonly kind: FleetKind;
	readonly redis: TestRedis;
	/** Starts another pod (or cluster of the official adapter) of this fleet. */
	addPod(workers: number): Promise<System>;
}

export async function startFleet(scope: Scope, kind: FleetKind): Promise<StreamFleet> {
	const redis = await startRedis(scope);
	const addPod = (workers: number): Promise<System> =>
		kind === 'socketfleet' ? startOurs(scope, { workers, redisUrl: redis.url }) : startOfficial(scope, workers, redis.url);
	return { kind, redis, addPod };
}
