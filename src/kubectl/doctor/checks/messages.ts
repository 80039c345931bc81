/** Whether messages reach every pod and stay long enough: Redis, the stream, and what pods say that no other check explains. */
import { isShortRetention } from '../../../fleet/readings.ts';
import { type Check, findOnPods, stayingPods } from '../examination.ts';
import type { Finding } from '../findings.ts';

export const checkMessages: Check = (examination) => {
	const pods = stayingPods(examination);
	const without = pods.filter(({ pod }) => pod.readings?.redisUp === false);
	const ready = pods.filter((each) => each.pod.ready && !without.includes(each));
	const short = [...new Set(pods.flatMap(({ pod }) => pod.reasons).filter(isShortRetention))];
	const others = [...new Set(ready.flatMap(({ pod }) => pod.reasons).filter((reason) => !isShortRetention(reason)))];
	return [
		...findOnPods(
			without,
			'redis-away',
			({ pod }) => pod.reasons.filter((reason) => !isShortRetention(reason)).join('; ') || 'Redis is away',
			'See that Redis runs and that the pods reach it; until then messages reach clients of the same pod only.',
		),
		...short.map(
			(reason): Finding => ({
				id: 'retention-short',
				seen: `Pods say: ${reason}.`,
				fix: 'Raise config.streamMaxEntries and the memory of Redis, or lower config.recoveryWindowMs.',
			}),
		),
		...others.map(
			(reason): Finding => ({ id: 'reported', seen: `Pods are ready and say: ${reason}.`, fix: 'The sentence says what to do.' }),
		),
	];
};
