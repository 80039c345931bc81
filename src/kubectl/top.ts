/** `top [FLEET]`: the pods of a fleet live, from the events that their status pages are made of. */
import { sleep } from '../base/deadline.ts';
import { messageOf } from '../base/errors.ts';
import { stateOf } from '../fleet/pod-status.ts';
import { renderFleetTop, runTop, TopBoard, type TopRow } from '../fleet/top.ts';
import { isFailure } from '../kube/errors.ts';
import { type KubeObject, pickText } from '../kube/object.ts';
import { createScreen } from '../terminal/screen.ts';
import { type Fleet, findFleet, listPods } from './fleets.ts';
import type { Session } from './session.ts';

export interface TopOptions {
	readonly intervalMs: number;
	readonly once: boolean;
}

const RETRY_MS = 2000;
/** How soon a pod that is new is seen. */
const LIST_MS = 5000;

/** Until SIGINT or SIGTERM. Throws what the first list throws, and what the cluster does not allow. */
export async function runFleetTop(session: Session, name: string | undefined, { intervalMs, once }: TopOptions): Promise<void> {
	const fleet = await findFleet(session.client, session.namespace, name);
	const ending = new AbortController();
	const end = (): void => ending.abort();
	process.once('SIGINT', end).once('SIGTERM', end);
	const watch = new FleetWatch(session, fleet, ending.signal);
	const screen = createScreen(process.stdout);
	const title = `fleet ${fleet.name} in namespace ${fleet.namespace}`;
	const render = (): string => {
		const rows = watch.board.look();
		return session.json ? toJson(fleet, rows) : renderFleetTop(`${title}${watch.problem}`, rows);
	};
	try {
		await watch.list();
		const watching = watch.run();
		const shown = runTop({ board: watch.board, screen, render, intervalMs, once, signal: ending.signal });
		await Promise.race([shown, watching]);
	} finally {
		end();
		screen.close();
	}
}

/** One line for each look. */
function toJson({ name, namespace }: Fleet, rows: readonly TopRow[]): string {
	const pods = rows.map(({ name: pod, status, rates = null, problem = null }) => ({
		name: pod,
		state: status ? stateOf(status) : null,
		connections: status?.connections ?? null,
		rates,
		problem,
	}));
	return JSON.stringify({ fleet: name, namespace, pods });
}

class FleetWatch {
	readonly board = new TopBoard();
	/** Of the last list, in brackets; empty when it went well. */
	problem = '';
	readonly #session: Session;
	readonly #fleet: Fleet;
	readonly #signal: AbortSignal;
	readonly #failed = Promise.withResolvers<never>();
	/** By the pod's name. */
	readonly #readers = new Map<string, AbortController>();

	constructor(session: Session, fleet: Fleet, signal: AbortSignal) {
		this.#session = session;
		this.#fleet = fleet;
		this.#signal = signal;
		this.#failed.promise.catch(() => undefined); // raced in run(), which may be over
	}

	/** Lists pods until the signal. Rejects when the cluster does not allow to read them. */
	async run(): Promise<void> {
		await Promise.race([this.#listOn(), this.#failed.promise]);
	}

	async list(): Promise<void> {
		const pods = await listPods(this.#session.client, this.#fleet);
		const names = new Set(pods.map(({ metadata }) => metadata.name));
		for (const [name, reader] of this.#readers) {
			if (!names.has(name)) {
				reader.abort();
				this.#readers.delete(name);
				this.board.remove(name);
			}
		}
		for (const pod of pods) {
			this.#watch(pod);
		}
	}

	async #listOn(): Promise<void> {
		while (!this.#signal.aborted) {
			await sleep(LIST_MS, this.#signal);
			try {
				await this.list();
				this.problem = '';
			} catch (error) {
				if (isFailure(error, 'forbidden')) {
					throw error;
				}
				// The pods that are known are watched on; the list is asked for again.
				this.problem = ` (${messageOf(error)})`;
			}
		}
	}

	#watch(pod: KubeObject): void {
		const { name } = pod.metadata;
		const phase = pickText(pod, 'status', 'phase');
		if (this.#readers.has(name)) {
			return;
		}
		this.board.add(name);
		if (phase !== 'Running') {
			this.board.lose(name, phase.toLowerCase() || 'not running');
			return;
		}
		const reader = new AbortController();
		this.#readers.set(name, reader);
		this.#read(pod, AbortSignal.any([this.#signal, reader.signal])).catch((error: unknown) => this.#failed.reject(error));
	}

	/** Throws only what the cluster does not allow. */
	async #read(pod: KubeObject, signal: AbortSignal): Promise<void> {
		const { name } = pod.metadata;
		while (!signal.aborted) {
			try {
				for await (const status of this.#session.pods.statuses(pod, signal)) {
					this.board.note(name, { status, atMs: performance.now() });
				}
				this.board.lose(name, 'it has ended the connection');
			} catch (error) {
				if (isFailure(error, 'forbidden')) {
					throw error;
				}
				if (!signal.aborted) {
					this.board.lose(name, messageOf(error));
				}
			}
			await sleep(RETRY_MS, signal);
		}
	}
}
