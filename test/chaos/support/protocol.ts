/** What a test tells the server in the other process, and what it answers. */
import type { OptionKey } from '../../../src/config/schema.ts';

export type Kind = 'official' | 'ours';

export interface NodeSpec {
	readonly kind: Kind;
	/** Ours: empty is a pod without Redis. */
	readonly redisUrl: string;
	readonly runDir: string;
	readonly pod?: string;
	readonly slot?: number;
	readonly slots?: number;
	readonly namespaces?: readonly string[];
	/** Ours: options of the fleet. The intervals of the pings go for both. */
	readonly options?: Partial<Record<OptionKey, unknown>>;
	/** Options of the official adapter, and of the client it is given. */
	readonly official?: Readonly<Record<string, unknown>>;
	readonly officialRedis?: Readonly<Record<string, unknown>>;
	readonly listenTimeoutMs?: number;
	/** Beside the environment of the test. */
	readonly env?: Readonly<Record<string, string>>;
}

export interface Order {
	readonly id: number;
	readonly what:
		| 'ping'
		| 'emit'
		| 'emit-volatile'
		| 'emit-many'
		| 'emit-local'
		| 'kick'
		| 'leave'
		| 'fetch'
		| 'ask'
		/** Hands an odd value to Socket.IO in some way: whether it was refused. */
		| 'odd'
		/** Asks the other servers for an odd value. */
		| 'ask-odd'
		| 'emit-with-ack'
		| 'servers'
		| 'metric'
		| 'cut'
		| 'reasons'
		| 'state'
		| 'memory';
	readonly nsp?: string;
	readonly rooms?: readonly string[];
	readonly args?: readonly unknown[];
}

export interface Reply {
	readonly id: number;
	readonly value?: unknown;
	readonly error?: string;
}
