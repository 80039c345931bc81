/** Arithmetic of the benchmarks. */

/** `share` is 0 to 1; 0 for an empty list. */
export function percentile(values: readonly number[], share: number): number {
	const sorted = values.toSorted((a, b) => a - b);
	return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Five digits: enough to judge a target by; pages show three. */
export function round(value: number): number {
	return Number.isInteger(value) ? value : Number(value.toPrecision(5));
}

/** Runs `work(0)` to `work(count - 1)`, `width` at a time. */
export async function runMany(count: number, width: number, work: (index: number) => Promise<void>): Promise<void> {
	let next = 0;
	const lane = async (): Promise<void> => {
		while (next < count) {
			await work(next++);
		}
	};
	await Promise.all(Array.from({ length: Math.min(width, count) }, lane));
}
