/** The pod's status as server-sent events, once a second to whoever watches. Workers are asked once for all viewers, and not at all without one. */
import type { ServerResponse } from 'node:http';
import { AppError, messageOf } from '../../base/errors.ts';
import type { Closable } from '../../base/lifecycle.ts';
import type { Logger } from '../../base/log.ts';

const EVERY_MS = 1000;
const MAX_VIEWERS = 50;
const HEADERS = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' };

export class StatusStream implements Closable {
	readonly #status: () => Promise<object>;
	readonly #log: Logger;
	readonly #viewers = new Set<ServerResponse>();
	#timer: NodeJS.Timeout | undefined;
	#isAsking = false;

	constructor(status: () => Promise<object>, log: Logger) {
		this.#status = status;
		this.#log = log;
	}

	/** Answers with a stream that ends when the viewer goes away. Throws ERR_RATE when too many watch. */
	watch(res: ServerResponse): void {
		if (this.#viewers.size >= MAX_VIEWERS) {
			throw new AppError('ERR_RATE', `${MAX_VIEWERS} people watch this pod already: close a page`);
		}
		res.writeHead(200, HEADERS);
		res.flushHeaders();
		this.#viewers.add(res);
		res.once('close', () => {
			this.#viewers.delete(res);
			if (this.#viewers.size === 0) {
				this.close();
			}
		});
		this.#timer ??= setInterval(() => void this.#tick(), EVERY_MS);
		void this.#tick();
	}

	close(): void {
		clearInterval(this.#timer);
		this.#timer = undefined;
	}

	async #tick(): Promise<void> {
		if (this.#isAsking) {
			return; // a worker is slow to answer
		}
		this.#isAsking = true;
		try {
			const event = `data: ${JSON.stringify(await this.#status())}\n\n`;
			for (const viewer of this.#viewers) {
				// Who does not read misses some states; the newest is what matters.
				if (!viewer.writableNeedDrain) {
					viewer.write(event);
				}
			}
		} catch (error) {
			this.#log.warn({ err: messageOf(error) }, 'the status page could not be updated');
		} finally {
			this.#isAsking = false;
		}
	}
}
