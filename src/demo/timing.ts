/** Timers that end with the application. */

/** Runs `work` every `ms`, give or take a fifth so that workers do not move in step, until `signal` aborts. */
export function every(ms: number, signal: AbortSignal, work: () => void): void {
	const timer = setInterval(work, Math.round(ms * (0.8 + 0.4 * Math.random())));
	timer.unref();
	signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}

/** At most one run of `work` per `ms`: the first call runs at once, calls in between are merged into one run at the end. */
export function throttle(ms: number, work: () => void): () => void {
	let resting = false;
	let asked = false;
	function run(): void {
		if (resting) {
			asked = true;
			return;
		}
		resting = true;
		work();
		setTimeout(() => {
			resting = false;
			if (asked) {
				asked = false;
				run();
			}
		}, ms).unref();
	}
	return run;
}
