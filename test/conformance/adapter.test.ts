/** The adapter suite, run for every way in which servers can be joined. */
import { startRedis } from '../support/redis-server.ts';
import { testAdapter } from './adapter.ts';
import { startAlone, startOfficial, startPodOfNodes, startPods } from './support/nodes.ts';

const NOBODY_TO_ASK = /there are no other servers/;
/** The official adapter waits for as many answers as there were servers when it asked. */
const ASKS_OFFICIALLY = { 'a server that leaves a namespace while it is asked is not waited for': /timeout reached/ };

testAdapter({
	name: 'one server, in memory',
	start: async (t) => [await startAlone(t)],
	cannot: {
		'messages to the servers, with and without an answer': NOBODY_TO_ASK,
		'a question that one server does not answer ends with the answers of the others': NOBODY_TO_ASK,
		'a server that leaves a namespace while it is asked is not waited for': NOBODY_TO_ASK,
		'a server that has left is not asked': NOBODY_TO_ASK,
	},
});

testAdapter({ name: 'three workers of a pod, no Redis', start: (t) => startPodOfNodes(t, 3) });

testAdapter({
	name: 'three servers with the official streams adapter, as it comes',
	start: async (t) => {
		const { url } = await startRedis(t);
		return Promise.all([startOfficial(t, url), startOfficial(t, url), startOfficial(t, url)]);
	},
	cannot: ASKS_OFFICIALLY,
});

testAdapter({
	name: 'three pods over Redis Streams',
	start: async (t) => startPods(t, 3, { redisUrl: (await startRedis(t)).url }),
});

testAdapter({
	name: 'three workers of a pod over Redis Streams',
	start: async (t) => startPodOfNodes(t, 3, { redisUrl: (await startRedis(t)).url }),
});

testAdapter({
	name: 'three pods over Redis Streams that follow it',
	start: async (t) => startPods(t, 3, { redisUrl: (await startRedis(t)).url, options: { delivery: 'follow' } }),
});

testAdapter({
	name: 'two pods and a plain server with the official adapter on one stream',
	start: async (t) => {
		const { url } = await startRedis(t);
		return [...(await startPods(t, 2, { redisUrl: url, options: { delivery: 'follow' } })), await startOfficial(t, url)];
	},
});

testAdapter({
	name: 'a plain server with the official adapter and a pod of two workers on one stream',
	start: async (t) => {
		const { url } = await startRedis(t);
		return [await startOfficial(t, url), ...(await startPodOfNodes(t, 2, { redisUrl: url, options: { delivery: 'follow' } }))];
	},
	cannot: ASKS_OFFICIALLY,
});
