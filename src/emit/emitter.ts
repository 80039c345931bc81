/** The library: Socket.IO's emitter interface for processes that run no Socket.IO server, with receipts. Never loads socket.io. */
import { AppError } from '../base/errors.ts';
import type { Closable } from '../base/lifecycle.ts';
import { redisKeysOf } from '../redis/keys.ts';
import { isClusterSource, type RedisSource } from '../redis/writer-client.ts';
import type { Receipt } from '../stream/append.ts';
import { createEntryWriter, type EntryWriter } from '../stream/appender.ts';
import { SERVER_SIDE_EMIT } from '../stream/protocol.ts';
import { type Built, buildBatch, buildDisconnect, buildEmit, buildRoomsChange, DEFAULT_NAMESPACE } from './message.ts';
import { encodeMsgpack, surveyPayload, UNFIT_TEXTS } from './payload.ts';
import type { EmitMessage } from './schema.ts';
import { sentenceOf } from './validate.ts';

export type { Receipt } from '../stream/append.ts';
export type { EmitMessage } from './schema.ts';

/** An event map as Socket.IO's servers take it: `{ news: (text: string) => void }`. */
export type EventsOf<Events> = { [Name in keyof Events]: (...args: never[]) => void };
export interface AnyEvents {
	[event: string]: (...args: unknown[]) => void;
}
type ArgsOf<Events extends EventsOf<Events>, Name extends keyof Events> = Parameters<Events[Name]>;

export interface EmitterOptions {
	/** A URL, or an ioredis client (Sentinel, Cluster, TLS): its settings are used, its connection is left alone. */
	readonly redis: RedisSource;
	/** Fleet to reach. Default `default`. */
	readonly fleet?: string;
	/** Stream of plain servers with the official adapter (their `streamName`, `socket.io` by default), in place of a fleet. */
	readonly stream?: string;
	/** Where plain servers listen for `serverSideEmit` (their `channelPrefix`). Default with `stream`: `socket.io`. */
	readonly channelPrefix?: string;
	/** Length cap of the stream. Default 1,000,000 for a fleet (its pods trim by time), 10,000 with `stream`, as the official adapter. */
	readonly maxEntries?: number;
	/** How long an emit may take before it is rejected. Default 5,000 ms. */
	readonly timeoutMs?: number;
	/** How long an idempotency key is remembered. Default 24 hours, in ms. */
	readonly idempotencyWindowMs?: number;
	/** Gets the failure of every emit. With it, a rejection that nobody awaits does not end the process. */
	readonly onError?: (error: AppError) => void;
}

export const DEFAULT_TIMEOUT_MS = 5000;
export const DEFAULT_IDEMPOTENCY_WINDOW_MS = 86_400_000;
const FLEET_MAX_ENTRIES = 1_000_000;
/** `maxLen` of the official adapter. */
const OFFICIAL_MAX_ENTRIES = 10_000;
const OFFICIAL_CHANNEL_PREFIX = 'socket.io';
/** Servers take a sender of this name for no server: it counts in no answer. */
const EMITTER_UID = 'emitter';
const NO_ACKS = 'an emitter can not take acknowledgements: it is not part of the fleet';

interface Target {
	readonly namespace: string;
	readonly rooms: readonly string[];
	readonly except: readonly string[];
	readonly volatile?: true;
	readonly compress?: boolean;
	readonly idempotencyKey?: string;
}

interface Outlet {
	readonly writer: EntryWriter;
	readonly channelPrefix: string;
	readonly onError: ((error: AppError) => void) | undefined;
}

/** Whom the next emit reaches; each step gives a new one and leaves this one as it is. */
export class Broadcast<Events extends EventsOf<Events> = AnyEvents> {
	readonly #outlet: Outlet;
	readonly #target: Target;

	constructor(outlet: Outlet, target: Target) {
		this.#outlet = outlet;
		this.#target = target;
	}

	/** Members of these rooms, besides those of rooms named before. */
	to(rooms: string | readonly string[]): Broadcast<Events> {
		return this.#with({ rooms: [...this.#target.rooms, ...listOf(rooms)] });
	}

	/** The same as `to`. */
	in(rooms: string | readonly string[]): Broadcast<Events> {
		return this.to(rooms);
	}

	except(rooms: string | readonly string[]): Broadcast<Events> {
		return this.#with({ except: [...this.#target.except, ...listOf(rooms)] });
	}

	/** May be dropped when a client can't take it right now; never recovered. */
	get volatile(): Broadcast<Events> {
		return this.#with({ volatile: true });
	}

	compress(compress: boolean): Broadcast<Events> {
		return this.#with({ compress });
	}

	/** The next emit is written once within the window, however often it is tried; its receipt stays the same. */
	idempotencyKey(idempotencyKey: string): Broadcast<Events> {
		return this.#with({ idempotencyKey });
	}

	/**
	 * Resolves once Redis has the message. Rejects with an AppError: ERR_VALIDATION, ERR_CONFLICT (the idempotency key
	 * was used with other content), ERR_REDIS (not written), ERR_UNREACHABLE (no answer: written or not, nobody knows).
	 */
	emit<Name extends keyof Events & string>(event: Name, ...args: ArgsOf<Events, Name>): Promise<Receipt> {
		if (typeof args.at(-1) === 'function') {
			return this.#settle(Promise.reject(new AppError('ERR_VALIDATION', NO_ACKS)));
		}
		return this.#writeOne(buildEmit({ ...this.#target, event, args }));
	}

	socketsJoin(rooms: string | readonly string[]): Promise<Receipt> {
		return this.#writeOne(buildRoomsChange({ ...this.#selection(), join: listOf(rooms) }));
	}

	socketsLeave(rooms: string | readonly string[]): Promise<Receipt> {
		return this.#writeOne(buildRoomsChange({ ...this.#selection(), leave: listOf(rooms) }));
	}

	/** With no rooms named: every client of the namespace. `close` ends the whole connection; the stock client does not come back by itself. */
	disconnectSockets(close = false): Promise<Receipt> {
		return this.#writeOne(buildDisconnect({ ...this.#selection(), close }));
	}

	#with(change: Partial<Target>): Broadcast<Events> {
		return new Broadcast(this.#outlet, { ...this.#target, ...change });
	}

	#selection(): object {
		const { namespace, rooms, except } = this.#target;
		return rooms.length === 0 ? { namespace, except, all: true } : { namespace, except, rooms };
	}

	#writeOne(built: Built): Promise<Receipt> {
		return this.#settle(write(this.#outlet, built).then(firstOf));
	}

	#settle<T>(work: Promise<T>): Promise<T> {
		return reportFailure(this.#outlet, work);
	}
}

/** An emitter for one namespace; also the start of a chain that names rooms. */
export class Emitter<Events extends EventsOf<Events> = AnyEvents> extends Broadcast<Events> implements Closable {
	readonly #outlet: Outlet;
	readonly #namespace: string;

	constructor(outlet: Outlet, namespace: string) {
		super(outlet, { namespace, rooms: [], except: [] });
		this.#outlet = outlet;
		this.#namespace = namespace;
	}

	/** The same connection, for another namespace. */
	of<Other extends EventsOf<Other> = Events>(namespace: string): Emitter<Other> {
		return new Emitter(this.#outlet, namespace.startsWith('/') ? namespace : `/${namespace}`);
	}

	/** Writes all messages, in this order, or none; receipts in the same order. At most 1,000. */
	batch(messages: readonly EmitMessage[]): Promise<readonly Receipt[]> {
		const own = messages.map((message) => ({ namespace: this.#namespace, ...message }));
		return reportFailure(this.#outlet, messages.length === 0 ? Promise.resolve([]) : write(this.#outlet, buildBatch({ messages: own })));
	}

	/** To the servers, not to clients: `io.on(event)` there. At most once, to those that listen now. */
	serverSideEmit(event: string, ...args: unknown[]): Promise<void> {
		return reportFailure(this.#outlet, publishToServers(this.#outlet, this.#namespace, [event, ...args]));
	}

	/** Waits for what is on its way, then closes the emitter's connection, for every namespace. */
	async close(): Promise<void> {
		await this.#outlet.writer.close();
	}
}

/** Opens a connection that is kept until `close()`; emits made before it is ready wait for it, within their deadline. */
export function createEmitter<Events extends EventsOf<Events> = AnyEvents>(options: EmitterOptions): Emitter<Events> {
	const keys = redisKeysOf({ fleet: options.fleet ?? 'default', redisMode: isClusterSource(options.redis) ? 'cluster' : 'standalone' });
	const stream = options.stream ?? keys.stream;
	const writer = createEntryWriter({
		redis: options.redis,
		stream,
		routing: options.stream === undefined ? keys : undefined,
		maxEntries: options.maxEntries ?? (options.stream === undefined ? FLEET_MAX_ENTRIES : OFFICIAL_MAX_ENTRIES),
		timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
		onceWindowMs: options.idempotencyWindowMs ?? DEFAULT_IDEMPOTENCY_WINDOW_MS,
	});
	const channelPrefix = options.channelPrefix ?? (options.stream === undefined ? keys.channels : OFFICIAL_CHANNEL_PREFIX);
	return new Emitter({ writer, channelPrefix, onError: options.onError }, DEFAULT_NAMESPACE);
}

async function write(outlet: Outlet, built: Built): Promise<readonly Receipt[]> {
	if (built.kind === 'invalid') {
		throw new AppError('ERR_VALIDATION', sentenceOf(built.problems));
	}
	return await outlet.writer.write(built.entries);
}

/** Unlike messages for clients these are not kept: the adapter carries them by pub/sub, as msgpack. */
async function publishToServers(outlet: Outlet, namespace: string, packet: readonly unknown[]): Promise<void> {
	const survey = surveyPayload(packet);
	if (survey !== 'plain' && survey !== 'binary') {
		throw new AppError('ERR_VALIDATION', `args ${UNFIT_TEXTS[survey]}`);
	}
	if (typeof packet.at(-1) === 'function') {
		throw new AppError('ERR_VALIDATION', NO_ACKS);
	}
	const message = { uid: EMITTER_UID, nsp: namespace, type: SERVER_SIDE_EMIT, data: { packet } };
	await outlet.writer.publish(`${outlet.channelPrefix}#${namespace}#`, encodeMsgpack(message));
}

function firstOf(receipts: readonly Receipt[]): Receipt {
	const first = receipts[0];
	if (first === undefined) {
		throw new AppError('ERR_UNEXPECTED', 'the write gave no receipt');
	}
	return first;
}

function reportFailure<T>(outlet: Outlet, work: Promise<T>): Promise<T> {
	if (outlet.onError) {
		const { onError } = outlet;
		work.catch((error: unknown) =>
			onError(error instanceof AppError ? error : new AppError('ERR_UNEXPECTED', 'emit failed', { cause: error })),
		);
	}
	return work;
}

function listOf(rooms: string | readonly string[]): readonly string[] {
	return typeof rooms === 'string' ? [rooms] : rooms;
}
