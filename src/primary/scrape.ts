/** One scrape: every worker's snapshot within a deadline, merged with the primary's own and with the totals of workers that are gone. */
import { createTotals, type MergedMetrics, type MetricSource, type Totals } from '../metrics/aggregate.ts';
import { renderExposition } from '../metrics/expose.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { MetricSnapshot } from '../metrics/snapshot.ts';
import type { Supervisor } from './supervisor.ts';

const WORKER_DEADLINE_MS = 1000;

export class Scraper {
	readonly #metrics: Metrics;
	readonly #totals: Totals = createTotals();
	readonly #primary: MetricSource;
	/** By the id of the worker's life. */
	readonly #sources = new Map<string, MetricSource>();
	#running: Promise<string> | undefined;

	constructor(metrics: Metrics) {
		this.#metrics = metrics;
		this.#primary = this.#totals.add('primary');
	}

	/** A worker ended; `last` is what it said on leaving. Its counters stay. */
	end(lifeId: string, last: MetricSnapshot | undefined): void {
		if (last) {
			this.#sourceOf(lifeId).record(last);
			return; // its exit follows
		}
		this.#sources.get(lifeId)?.end();
		this.#sources.delete(lifeId);
	}

	/** The text of `/metrics`. Scrapes that overlap share one answer, so that none sees an older one than another. */
	scrape(supervisor: Supervisor): Promise<string> {
		this.#running ??= this.#scrape(supervisor).finally(() => {
			this.#running = undefined;
		});
		return this.#running;
	}

	async #scrape(supervisor: Supervisor): Promise<string> {
		const answers = await supervisor.askAll('snapshot', WORKER_DEADLINE_MS);
		for (const { lifeId, value } of answers) {
			if (!supervisor.isCurrent(lifeId)) {
				continue; // ended while it answered: its totals are closed
			}
			if (value) {
				this.#sourceOf(lifeId).record(value);
			} else {
				this.#sourceOf(lifeId).silence();
				this.#metrics.inc('socketfleet_scrape_silent_workers_total', {});
			}
		}
		return renderExposition((await this.#merge()).families);
	}

	async #merge(): Promise<MergedMetrics> {
		this.#primary.record(await this.#metrics.snapshot());
		return this.#totals.merge();
	}

	#sourceOf(lifeId: string): MetricSource {
		let source = this.#sources.get(lifeId);
		if (!source) {
			source = this.#totals.add(lifeId.split('.')[0] ?? lifeId);
			this.#sources.set(lifeId, source);
		}
		return source;
	}
}
