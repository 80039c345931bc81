/** All dashboards, in the order in which the documentation names them. */
import type { Dashboard } from './dashboard.ts';
import { FLEET } from './fleet.ts';
import { OPERATOR } from './operator.ts';
import { POD } from './pod.ts';
import { REDIS } from './redis.ts';
import { ROLLOUT } from './rollout.ts';

export const DASHBOARDS: readonly Dashboard[] = [FLEET, POD, REDIS, ROLLOUT, OPERATOR];
