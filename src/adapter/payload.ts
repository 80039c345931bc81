/** What workers tell each other by pub/sub is an object in JSON; on the same channels anyone may write anything. */

/** Undefined: not from a worker of ours. */
export function parsePayload(payload: Buffer): Record<string, unknown> | undefined {
	let value: unknown;
	try {
		value = JSON.parse(payload.toString());
	} catch {
		return undefined;
	}
	return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}
