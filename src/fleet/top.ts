/** `top`: the newest states of some pods, what happened between two looks, and how that is shown. */
import { sleep } from '../base/deadline.ts';
import { type Rates, sumRates } from '../metrics/load.ts';
import { formatCount, formatMebibytes, formatRate, formatShare } from '../terminal/format.ts';
import type { Screen } from '../terminal/screen.ts';
import { type Cell, renderTable } from '../terminal/table.ts';
import { type PodRates, type PodStatus, podRates, type Reading, stateOf, workerRates } from './pod-status.ts';

/** A pod at one look; without a status it has not answered. */
export interface TopRow {
	readonly name: string;
	readonly status: PodStatus | undefined;
	/** Since the look before; undefined at the first one. */
	readonly rates: PodRates | undefined;
	/** Of a pod that does not answer: why. */
	readonly problem: string | undefined;
}

interface Entry {
	before: Reading | undefined;
	/** At the last look: where the next one counts from. */
	looked: Reading | undefined;
	now: Reading | undefined;
	problem: string | undefined;
}

export class TopBoard {
	readonly #entries = new Map<string, Entry>();

	/** A pod that there is, whether or not it answers. */
	add(name: string): void {
		this.#entry(name);
	}

	note(name: string, reading: Reading): void {
		const entry = this.#entry(name);
		entry.now = reading;
		entry.looked ??= reading;
		entry.problem = undefined;
	}

	lose(name: string, problem: string): void {
		const entry = this.#entry(name);
		Object.assign(entry, { before: undefined, looked: undefined, now: undefined, problem });
	}

	remove(name: string): void {
		this.#entries.delete(name);
	}

	/** Whether every pod has told enough for rates, or why it does not. */
	get isComplete(): boolean {
		return [...this.#entries.values()].every(({ looked, now, problem }) => problem !== undefined || (now !== undefined && now !== looked));
	}

	/** Rates count from this look on until the next. */
	look(): readonly TopRow[] {
		return [...this.#entries]
			.sort(([a], [b]) => (a < b ? -1 : 1))
			.map(([name, entry]) => {
				if (entry.now !== entry.looked) {
					entry.before = entry.looked;
					entry.looked = entry.now;
				}
				const { before, now, problem } = entry;
				return { name, status: now?.status, rates: before && now ? podRates(before, now) : undefined, problem };
			});
	}

	/** The last two readings, between which the rates of single workers are found. */
	readingsOf(name: string): { readonly before: Reading | undefined; readonly now: Reading | undefined } {
		const { before, now } = this.#entry(name);
		return { before, now };
	}

	#entry(name: string): Entry {
		let entry = this.#entries.get(name);
		if (!entry) {
			entry = { before: undefined, looked: undefined, now: undefined, problem: undefined };
			this.#entries.set(name, entry);
		}
		return entry;
	}
}

export interface TopLoop {
	readonly board: TopBoard;
	readonly screen: Screen;
	readonly render: () => string;
	readonly intervalMs: number;
	/** One block, as soon as the board is complete, and the end. */
	readonly once: boolean;
	readonly signal: AbortSignal;
}

const ONCE_DEADLINE_MS = 10_000;
const ONCE_LOOK_MS = 50;

/** Shows the board until the signal; resolves then. */
export async function runTop({ board, screen, render, intervalMs, once, signal }: TopLoop): Promise<void> {
	if (once) {
		const deadline = Date.now() + ONCE_DEADLINE_MS;
		while (!board.isComplete && Date.now() < deadline && !signal.aborted) {
			await sleep(ONCE_LOOK_MS, signal);
		}
		screen.show(render());
		return;
	}
	while (!signal.aborted) {
		await sleep(intervalMs, signal);
		if (!signal.aborted) {
			screen.show(render());
		}
	}
}

const RATE_HEAD = ['OPENED', 'RECEIVED', 'SENT', 'PUBLISHED'] as const;

/** One line for the fleet, one for each pod. */
export function renderFleetTop(title: string, rows: readonly TopRow[]): string {
	const known = rows.flatMap(({ status }) => status ?? []);
	const connections = known.reduce((sum, status) => sum + status.connections, 0);
	const rates = rows.flatMap((row) => row.rates ?? []);
	const sum = rates.length === 0 ? undefined : sumRates(rates);
	const table = renderTable(
		['POD', 'STATE', 'CONNECTIONS', ...RATE_HEAD, 'LOOP', 'BUSIEST', 'WORKERS', 'MEMORY'],
		rows.map(({ name, status, rates: own, problem }) => [
			name,
			status ? stateOf(status) : (problem ?? 'no answer yet'),
			status && formatCount(status.connections),
			...rateCells(own),
			formatShare(own?.busy),
			formatShare(own?.busiest),
			status && workersOf(status),
			status && formatMebibytes(memoryOf(status)),
		]),
	);
	return `${title}: ${known.length} of ${rows.length} pods answer, ${formatCount(connections)} connections${sentence(sum)}\n\n${table}`;
}

/** One pod and its workers. */
export function renderPodTop(board: TopBoard, name: string): string {
	const [row] = board.look();
	if (row?.status === undefined) {
		return `${name}: ${row?.problem ?? 'no answer yet'}\n`;
	}
	const { status, rates } = row;
	const { before, now } = board.readingsOf(name);
	const ofWorkers = before && now ? workerRates(before, now) : new Map();
	const title = `pod ${status.pod} of fleet ${status.fleet}, socketfleet ${status.version}: ${stateOf(status)}`;
	const table = renderTable(
		['WORKER', 'STATE', 'PID', 'CONNECTIONS', ...RATE_HEAD, 'LOOP', 'HEAP', 'MEMORY', 'FAILURES'],
		status.workers.map((worker) => [
			worker.slot,
			worker.state,
			worker.pid,
			worker.sessions === undefined ? undefined : formatCount(worker.sessions),
			...rateCells(ofWorkers.get(worker.slot)),
			formatShare(ofWorkers.get(worker.slot)?.busy),
			formatMebibytes(worker.heapBytes),
			formatMebibytes(worker.rssBytes),
			worker.failures,
		]),
	);
	const reasons = status.reasons.map((reason) => `! ${reason}\n`).join('');
	return `${title}\n${formatCount(status.connections)} connections${sentence(rates)}\n${reasons}\n${table}`;
}

function sentence(rates: Rates | undefined): string {
	return rates
		? `, ${formatRate(rates.opened)} opened, ${formatRate(rates.received)} events received, ${formatRate(rates.sent)} sent, ${formatRate(rates.published)} published`
		: '';
}

function rateCells(rates: Rates | undefined): Cell[] {
	return [rates?.opened, rates?.received, rates?.sent, rates?.published].map(formatRate);
}

function workersOf({ workers }: PodStatus): string {
	return `${workers.filter(({ state }) => state === 'ready').length}/${workers.length}`;
}

function memoryOf({ workers }: PodStatus): number | undefined {
	const known = workers.flatMap(({ rssBytes }) => rssBytes ?? []);
	return known.length === 0 ? undefined : known.reduce((sum, each) => sum + each, 0);
}
