/** The primary's CPU while messages flow, against its workers'. */
import { cpuMsOf, measureCpu, treeOf } from './support/proc.ts';
import { runProgram } from './support/run.ts';
import { round } from './support/stats.ts';
import { startOurs } from './support/systems.ts';
import { Talkers } from './support/talkers.ts';

const ROOMS = 50;
/** Each message reaches both members of its room. */
const MEMBERS = 2;

await runProgram('primary', async ({ scope, size, say }) => {
	const pod = await startOurs(scope, { workers: 2 });
	const workers = treeOf(pod.pid).filter((pid) => pid !== pod.pid);
	const rooms = Array.from({ length: ROOMS }, (_, index) => ({ name: `room-${index}`, members: MEMBERS, talkers: MEMBERS }));
	const talkers = await Talkers.connect(scope, [pod.url], rooms);
	say('messages flow');
	const messages = size(200_000, 10_000);
	const receivedBefore = talkers.received;
	const workersBefore = cpuMsOf(workers);
	const whole = await measureCpu([pod.pid], () => talkers.talk({ messages: messages / MEMBERS, local: false }));
	const workersMs = cpuMsOf(workers) - workersBefore;
	const primaryMs = whole.cpuMs - workersMs;
	return [
		{
			subject: 'pod of 2 workers',
			values: {
				messages: talkers.received - receivedBefore,
				primaryMs,
				workersMs,
				percent: round((primaryMs / workersMs) * 100),
			},
		},
	];
});
