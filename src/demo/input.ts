/**
 * The door that every event of a client passes: limited in rate, checked in type and size, answered through the
 * acknowledgement if the client asked for one. Clients are free to send anything; handlers only see what was checked.
 */
import type { Socket } from 'socket.io';

export type Fields = Record<string, unknown>;

export interface Rate {
	readonly perSecond: number;
	/** How many events may come at once after a pause. */
	readonly burst: number;
}

/** Registers `handler` for an event whose argument is one object. What it returns is the answer; `undefined` means the input was bad. */
export function onEvent(socket: Socket, event: string, rate: Rate, handler: (input: Fields) => object | undefined): void {
	const admit = createRateLimit(rate);
	socket.on(event, (...args: unknown[]) => {
		const reply = args.at(-1);
		const answer = admit() ? (handler(fieldsOf(args[0])) ?? { error: 'invalid' }) : { error: 'too many, slow down' };
		if (typeof reply === 'function') {
			reply(answer);
		}
	});
}

/** A token bucket: answers whether one more event is allowed now. */
export function createRateLimit(rate: Rate, now: () => number = Date.now): () => boolean {
	let tokens = rate.burst;
	let refilledAt = now();
	return () => {
		const at = now();
		tokens = Math.min(rate.burst, tokens + (Math.max(0, at - refilledAt) / 1000) * rate.perSecond);
		refilledAt = at;
		if (tokens < 1) {
			return false;
		}
		tokens -= 1;
		return true;
	};
}

/** The fields of an object; none for anything else. */
export function fieldsOf(value: unknown): Fields {
	return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

/** Trimmed text of 1 to `maxLength` characters without control characters. */
export function textOf(value: unknown, maxLength: number): string | undefined {
	if (typeof value !== 'string' || value.length > maxLength * 4) {
		return undefined;
	}
	const text = value.replace(/\p{Cc}+/gu, ' ').trim();
	return text.length > 0 && text.length <= maxLength ? text : undefined;
}

export function numberOf(value: unknown, min: number, max: number): number | undefined {
	return typeof value === 'number' && value >= min && value <= max ? value : undefined;
}

export function oneOf<const T extends string>(value: unknown, allowed: readonly T[]): T | undefined {
	return allowed.find((candidate) => candidate === value);
}
