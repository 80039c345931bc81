/** Ids of stream entries: `<milliseconds>-<sequence>`. An offset is the id of the last entry that someone has seen. */

declare const offsetBrand: unique symbol;
export type StreamOffset = string & { readonly [offsetBrand]: true };

/** Before every entry. */
export const STREAM_START = '0-0' as StreamOffset;
/** After every entry. */
export const STREAM_END = '9999999999999999-0' as StreamOffset;

/** More entries than Redis adds in a millisecond, and exact as a number. */
const MAX_SEQUENCE = Number.MAX_SAFE_INTEGER;
const OFFSET = /^\d{1,16}-\d{1,16}$/;

export function parseOffset(text: unknown): StreamOffset | undefined {
	return typeof text === 'string' && OFFSET.test(text) ? (text as StreamOffset) : undefined;
}

/** Negative: `a` is older. Ids are compared as two numbers: as text, 9 would follow 10. */
export function compareOffsets(a: StreamOffset, b: StreamOffset): number {
	// The usual case: ids of the same length sort as text.
	if (a.length === b.length && a.indexOf('-') === b.indexOf('-')) {
		return a < b ? -1 : a > b ? 1 : 0;
	}
	const [aMs = 0, aSequence = 0] = a.split('-').map(Number);
	const [bMs = 0, bSequence = 0] = b.split('-').map(Number);
	return aMs === bMs ? aSequence - bSequence : aMs - bMs;
}

export function isAfter(a: StreamOffset, b: StreamOffset): boolean {
	return compareOffsets(a, b) > 0;
}

/** Before that entry, and after every one that is older. */
export function offsetBefore(offset: StreamOffset): StreamOffset {
	const [ms = 0, sequence = 0] = offset.split('-').map(Number);
	const [beforeMs, before] = sequence > 0 ? [ms, sequence - 1] : [Math.max(0, ms - 1), ms > 0 ? MAX_SEQUENCE : 0];
	return `${beforeMs}-${before}` as StreamOffset;
}

/** Redis' clock when the entry was added. */
export function timeOfOffset(offset: StreamOffset): number {
	return Number(offset.slice(0, offset.indexOf('-')));
}
