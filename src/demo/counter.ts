/**
 * A shared counter, as a PN-counter: every worker counts its own clicks up and down, the value is the sum over all, and merging
 * takes the larger of two numbers. No click is lost and none counts twice, with no lock and no place that all must ask.
 */
import type { Demo } from './demo.ts';
import { onEvent } from './input.ts';
import { createReplica } from './replica.ts';
import { throttle } from './timing.ts';

/** What each node has counted, ever: [up, down]. Both only grow. A node that is gone keeps its entry, since its clicks still count. */
type Counts = Record<string, readonly [up: number, down: number]>;

export function startCounter(demo: Demo): void {
	const { io, node } = demo;
	const counts = new Map<string, readonly [number, number]>();
	const value = () => [...counts.values()].reduce((sum, [up, down]) => sum + up - down, 0);

	// However fast people click, a worker sends its state and tells its clients at most this often.
	const tellClients = throttle(50, () => io.local.emit('counter:value', { value: value() }));
	const replica = createReplica<Counts>(demo, 'counter', {
		state: () => Object.fromEntries(counts),
		digest: () => JSON.stringify([...counts].sort(([a], [b]) => a.localeCompare(b))),
		merge: (theirs) => {
			for (const [name, [up, down]] of Object.entries(theirs)) {
				const [knownUp, knownDown] = counts.get(name) ?? [0, 0];
				counts.set(name, [Math.max(up, knownUp), Math.max(down, knownDown)]);
			}
			tellClients();
		},
	});
	const shareMine = throttle(50, () => replica.share({ [node]: counts.get(node) ?? [0, 0] }));

	io.on('connection', (socket) => {
		onEvent(socket, 'counter:add', { perSecond: 20, burst: 40 }, (input) => {
			if (input.by !== 1 && input.by !== -1) {
				return undefined;
			}
			const [up, down] = counts.get(node) ?? [0, 0];
			counts.set(node, input.by === 1 ? [up + 1, down] : [up, down + 1]);
			shareMine();
			tellClients();
			return {};
		});
		onEvent(socket, 'counter:load', { perSecond: 2, burst: 4 }, () => ({ value: value() }));
	});
}
