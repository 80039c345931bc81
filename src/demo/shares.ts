/**
 * Fleet state where each worker owns a part: who is connected to it, which numbers its participants stream. Each publishes its
 * own part and keeps the last one of every other worker; a worker that falls silent is forgotten.
 */
import type { Demo } from './demo.ts';
import { every, throttle } from './timing.ts';

const HEARTBEAT_MS = 3000;
const EXPIRY_MS = 12_000;

export interface Shares<T> {
	/** Call when this worker's part has changed: it is sent soon, and changes in quick succession are sent as one. */
	changed(): void;
	/** Every worker's part, this one's first. */
	all(): T[];
}

interface Envelope<T> {
	readonly node: string;
	/** Absent in the farewell of a worker that stops. */
	readonly share?: T;
}

export interface SharesOptions<T> {
	readonly name: string;
	readonly intervalMs: number;
	/** Builds this worker's part. */
	readonly mine: () => T;
	/** Some part has changed. */
	readonly onChange: () => void;
}

export function createShares<T>(demo: Demo, options: SharesOptions<T>): Shares<T> {
	const { io, node, signal } = demo;
	const event = `${options.name}:share`;
	const others = new Map<string, { share: T; seenAt: number }>();

	const publish = () => io.serverSideEmit(event, { node, share: options.mine() } satisfies Envelope<T>);
	const changed = throttle(options.intervalMs, () => {
		publish();
		options.onChange();
	});

	io.on(event, (envelope: Envelope<T>) => {
		if (envelope.share === undefined) {
			others.delete(envelope.node);
		} else {
			const isNew = !others.has(envelope.node);
			others.set(envelope.node, { share: envelope.share, seenAt: Date.now() });
			if (isNew) {
				changed(); // A worker that has just started should not wait for our next heartbeat.
			}
		}
		options.onChange();
	});

	every(HEARTBEAT_MS, signal, () => {
		publish();
		for (const [name, { seenAt }] of others) {
			if (Date.now() - seenAt > EXPIRY_MS) {
				others.delete(name);
				options.onChange();
			}
		}
	});
	signal.addEventListener('abort', () => io.serverSideEmit(event, { node } satisfies Envelope<T>), { once: true });
	publish();

	return { changed, all: () => [options.mine(), ...[...others.values()].map(({ share }) => share)] };
}
