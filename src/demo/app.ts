/**
 * The demo, and an application to copy from: four things people cluster Socket.IO for, on any number of workers and pods.
 * It knows no Redis and no other worker: all it uses is Socket.IO. `replica.ts` and `shares.ts` hold the two ways in which
 * its workers agree on something; the page is in `public/`.
 */
import { randomBytes } from 'node:crypto';
import type { Server } from 'socket.io';
import { type AppContext, defineApp } from '../index.ts';
import { startChat } from './chat.ts';
import { startCompute } from './compute.ts';
import { startCounter } from './counter.ts';
import type { Demo } from './demo.ts';
import { startOutside } from './outside.ts';
import { startPresence } from './presence.ts';
import { createSite } from './static.ts';
import { startWhiteboard } from './whiteboard.ts';

const site = createSite();
const stopped = new AbortController();

export default defineApp({
	http: site.serve,

	setup(io: Server, context: AppContext): void {
		const { pod, worker, log } = context;
		// A worker that was started again is a new node: what it had counted before stands in the others' memory under the old name.
		const node = `${pod}.${worker}.${randomBytes(3).toString('hex')}`;
		const demo: Demo = { io, node, pod, worker, log, signal: stopped.signal };
		site.setSocketPath(context.config.path);
		const presence = startPresence(demo);
		startChat(demo, presence);
		startWhiteboard(demo);
		startCompute(demo);
		startCounter(demo);
		startOutside(demo, context.config);
	},

	close(): void {
		stopped.abort();
	},
});
