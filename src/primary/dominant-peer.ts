/** Notices a proxy in front whose header is not read: then one peer holds most connections, and one worker gets them all. */
import type { Logger } from '../base/log.ts';
import type { Metrics } from '../metrics/registry.ts';
import { isLoopback, normalizeAddress } from '../net/client-address.ts';

/** Judged once for each so many connections. */
const SAMPLE = 500;
const DOMINANT_SHARE = 0.8;

export class DominantPeer {
	readonly #log: Logger;
	readonly #metrics: Metrics;
	#counts = new Map<string, number>();
	#seen = 0;
	#said = false;

	constructor(log: Logger, metrics: Metrics) {
		this.#log = log;
		this.#metrics = metrics;
	}

	note(remoteAddress: string | undefined): void {
		const peer = normalizeAddress(remoteAddress ?? '');
		if (peer === '' || isLoopback(peer)) {
			return;
		}
		this.#counts.set(peer, (this.#counts.get(peer) ?? 0) + 1);
		this.#seen++;
		if (this.#seen >= SAMPLE) {
			this.#judge();
			this.#counts = new Map();
			this.#seen = 0;
		}
	}

	#judge(): void {
		const [peer, count] = [...this.#counts].reduce((most, each) => (each[1] > most[1] ? each : most));
		const dominant = count / this.#seen > DOMINANT_SHARE;
		this.#metrics.set('socketfleet_dominant_peer', {}, dominant ? 1 : 0);
		if (dominant && !this.#said) {
			this.#said = true;
			this.#log.warn(
				{ peer, share: count / this.#seen },
				'one peer holds most connections: if it is a proxy, set addressSource to x-forwarded-for or proxy-protocol, or all its clients share one worker',
			);
		}
	}
}
