/** Answers of the fleet that are not whole, and who is missing in them. Imports nothing: part of the public API. */

const MISSING = Symbol('socketfleet.missing');

/** Who did not answer a `fetchSockets()` in time, as `<pod>/<worker>`; empty when the answer is whole. */
export function missingOf(result: readonly unknown[]): readonly string[] {
	return (result as { [MISSING]?: readonly string[] })[MISSING] ?? [];
}

/** Handed to the callback of `serverSideEmit()` beside the answers that did come. */
export class PartialAnswerError extends Error {
	override readonly name = 'PartialAnswerError';
	readonly missing: readonly string[];
	constructor(missing: readonly string[]) {
		super(`no answer in time from ${missing.join(', ')}`);
		this.missing = missing;
	}
}

/** Notes beside `result` who is missing; it stays the array that Socket.IO's types promise. */
export function withMissing<T>(result: T[], missing: readonly string[]): T[] {
	Object.defineProperty(result, MISSING, { value: missing });
	// Socket.IO gives its caller a mapped copy.
	const map = <U>(convert: (item: T, index: number, all: T[]) => U): U[] =>
		withMissing(Array.prototype.map.call<T[], [typeof convert], U[]>(result, convert), missing);
	Object.defineProperty(result, 'map', { value: map });
	return result;
}
