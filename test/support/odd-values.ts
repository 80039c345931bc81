/** What applications hand to Socket.IO beside plain data, and the ways in which they do it. */
import type { Namespace } from 'socket.io';

class Point {
	readonly x = 1;
	readonly unset = undefined;
	get norm(): number {
		return this.x;
	}
}

/** Shows something else of itself, as ids of databases do. */
class Secret {
	readonly inner = 1;
	toJSON(): object {
		return { shown: 2 };
	}
}

function nest(depth: number): unknown {
	let value: unknown = 'deep';
	for (let i = 0; i < depth; i++) {
		value = { in: value };
	}
	return value;
}

function createCycle(): object {
	const cycle: Record<string, unknown> = {};
	cycle.self = cycle;
	return cycle;
}

/** Each made anew. */
export const ODD_VALUES = {
	'an object with toJSON': () => ({ inner: 1, toJSON: () => ({ shown: 2 }) }),
	'an instance with toJSON': () => new Secret(),
	'an instance': () => new Point(),
	'a Date': () => new Date(0),
	'a URL': () => new URL('http://a.example/b?c=d'),
	'a Map': () => new Map([['a', 1]]),
	'a Set': () => new Set([1]),
	undefined: () => undefined,
	'a property without a value': () => ({ a: undefined, b: [undefined] }),
	NaN: () => Number.NaN,
	Infinity: () => Number.NEGATIVE_INFINITY,
	'a Buffer inside': () => ({ deep: [Buffer.from('abc')] }),
	'a typed array': () => new Float32Array([1, 2]),
	'an ArrayBuffer': () => new Uint8Array([1, 2, 3]).buffer,
	'300 levels': () => nest(300),
	'a function inside': () => ({ call: () => undefined, kept: 1 }),
	'a BigInt': () => 1n,
	'a cycle': createCycle,
	'a timer': () => setTimeout(() => undefined, 600_000).unref(),
} as const satisfies Readonly<Record<string, () => unknown>>;

export type OddValue = keyof typeof ODD_VALUES;
export const ODD_NAMES = Object.keys(ODD_VALUES) as readonly OddValue[];

/** What clients are sent of them where nothing binary is beside: JSON, as one process makes it without a cluster. */
export const ODD_VALUES_IN_JSON = {
	'an object with toJSON': { shown: 2 },
	'an instance with toJSON': { shown: 2 },
	'an instance': { x: 1 },
	'a Date': '1970-01-01T00:00:00.000Z',
	'a URL': 'http://a.example/b?c=d',
	'a Map': {},
	'a Set': {},
	undefined: null,
	'a property without a value': { b: [null] },
	NaN: null,
	Infinity: null,
	'a function inside': { kept: 1 },
} as const satisfies Readonly<Partial<Record<OddValue, unknown>>>;

/** What nothing can encode. */
export const IMPOSSIBLE = ['a BigInt', 'a cycle', 'a timer'] as const satisfies readonly OddValue[];

const WAYS = {
	emit: (nsp, value) => nsp.emit('odd', value),
	'emit beside a Buffer': (nsp, value) => nsp.emit('odd', value, Buffer.from('b')),
	'emit to nobody': (nsp, value) => nsp.to('nobody').emit('odd', value),
	'emit with a callback': (nsp, value) => nsp.timeout(500).emit('odd', value, () => undefined),
	emitWithAck: (nsp, value) => nsp.timeout(500).emitWithAck('odd', value),
	serverSideEmit: (nsp, value) => nsp.serverSideEmit('odd-notice', value),
	'serverSideEmit with a callback': (nsp, value) => nsp.serverSideEmit('odd-notice', value, () => undefined),
	serverSideEmitWithAck: (nsp, value) => nsp.serverSideEmitWithAck('odd-notice', value),
} as const satisfies Readonly<Record<string, (nsp: Namespace, value: unknown) => unknown>>;

export type OddWay = keyof typeof WAYS;
export const ODD_WAYS = Object.keys(WAYS) as readonly OddWay[];

/** Whether it throws, or rejects what the application awaits. */
export async function isRefused(nsp: Namespace, way: OddWay, name: OddValue): Promise<boolean> {
	try {
		await WAYS[way](nsp, ODD_VALUES[name]());
		return false;
	} catch {
		return true;
	}
}
