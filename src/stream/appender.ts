/** Appends entries from outside the fleet to its stream: gathered into few commands, each with a deadline. Knows no Socket.IO. */
import { sleep, withDeadline } from '../base/deadline.ts';
import { messageOf } from '../base/errors.ts';
import type { Closable } from '../base/lifecycle.ts';
import { createScript, publishCommandOf } from '../redis/script.ts';
import { openWriterClient, type RedisSource, type WriterClient } from '../redis/writer-client.ts';
import { buildAppend, type EmitterEntry, type Group, type Receipt, type Routing, settle, settleAll } from './append.ts';
import { describeWriteFailure, notWritten, unknownOutcome } from './append-errors.ts';
import { APPEND_SCRIPT } from './append-script.ts';

export interface EntryWriter extends Closable {
	/**
	 * Appends all of `entries` or none. Rejects with ERR_CONFLICT (a key was used with other content), ERR_REDIS (not
	 * written) or ERR_UNREACHABLE (Redis did not answer: written or not, nobody knows).
	 */
	write(entries: readonly EmitterEntry[]): Promise<readonly Receipt[]>;
	/** At most once, to whoever listens now. Same errors. */
	publish(channel: string, payload: Buffer): Promise<void>;
}

export interface EntryWriterOptions {
	readonly redis: RedisSource;
	readonly stream: string;
	/** With it a fleet's entries are routed; undefined: plain servers read the log. */
	readonly routing: Routing | undefined;
	/** Length cap given with each append. */
	readonly maxEntries: number;
	/** How long a call may take, all told. */
	readonly timeoutMs: number;
	/** How long an idempotency key is remembered. */
	readonly onceWindowMs: number;
}

const SCRIPT = createScript(APPEND_SCRIPT);
/** Redis runs nothing else during a script: 256 appends take about 1 ms. */
const MAX_COMMAND_ENTRIES = 256;
const MAX_COMMAND_CHARS = 1_000_000;
const MAX_COMMANDS_IN_FLIGHT = 4;
const MAX_WAITING_CHARS = 64_000_000;

export function createEntryWriter(options: EntryWriterOptions): EntryWriter {
	return new RedisEntryWriter(options, openWriterClient(options.redis));
}

class RedisEntryWriter implements EntryWriter {
	readonly #options: EntryWriterOptions;
	readonly #client: WriterClient;
	readonly #waiting: Group[] = [];
	readonly #inFlight = new Set<Group>();
	#waitingChars = 0;
	#commands = 0;
	#flushQueued = false;
	#expiry: NodeJS.Timeout | undefined;
	#lastTrouble = '';
	#closed = false;
	#onIdle: (() => void) | undefined;

	constructor(options: EntryWriterOptions, client: WriterClient) {
		this.#options = options;
		this.#client = client;
		client.on('error', (error: Error) => {
			this.#lastTrouble = messageOf(error);
		});
		client.on('ready', () => {
			this.#lastTrouble = '';
			this.#queueFlush();
		});
	}

	write(entries: readonly EmitterEntry[]): Promise<readonly Receipt[]> {
		if (entries.length === 0) {
			return Promise.resolve([]);
		}
		return new Promise((resolve, reject) => {
			let chars = 0;
			for (const entry of entries) {
				chars += entry.data.length;
			}
			if (this.#closed || this.#waitingChars + chars > MAX_WAITING_CHARS) {
				reject(notWritten(this.#closed ? 'this emitter is closed' : `more than ${MAX_WAITING_CHARS} characters wait for Redis already`));
				return;
			}
			this.#waitingChars += chars;
			this.#waiting.push({ entries, chars, expiresAt: Date.now() + this.#options.timeoutMs, settled: false, resolve, reject });
			this.#armExpiry();
			this.#queueFlush();
		});
	}

	async publish(channel: string, payload: Buffer): Promise<void> {
		const deadline = Date.now() + this.#options.timeoutMs;
		await this.#waitUntilReady(deadline);
		try {
			await withDeadline(this.#client.publish(channel, payload), deadline - Date.now(), 'PUBLISH');
		} catch (error) {
			throw describeWriteFailure(error);
		}
	}

	/** Waits for what is on its way (until its deadline), then closes the connection. */
	async close(): Promise<void> {
		this.#closed = true;
		if (!this.#isIdle()) {
			await new Promise<void>((resolve) => {
				this.#onIdle = resolve;
			});
		}
		clearTimeout(this.#expiry);
		this.#client.disconnect();
	}

	/** One flush per turn of the event loop: all that was asked for in one turn travels together. */
	#queueFlush(): void {
		if (this.#flushQueued) {
			return;
		}
		this.#flushQueued = true;
		setImmediate(() => {
			this.#flushQueued = false;
			while (this.#waiting.length > 0 && this.#commands < MAX_COMMANDS_IN_FLIGHT && this.#client.status === 'ready') {
				this.#send(this.#takeGroups());
			}
		});
	}

	#takeGroups(): Group[] {
		let count = 0;
		let entries = 0;
		let chars = 0;
		for (const group of this.#waiting) {
			entries += group.entries.length;
			chars += group.chars;
			if (count > 0 && (entries > MAX_COMMAND_ENTRIES || chars > MAX_COMMAND_CHARS)) {
				break;
			}
			count++;
		}
		const groups = this.#waiting.splice(0, count);
		for (const group of groups) {
			this.#waitingChars -= group.chars;
			this.#inFlight.add(group);
		}
		return groups;
	}

	#send(groups: readonly Group[]): void {
		this.#commands++;
		this.#append(groups)
			.then(
				(answers) => settleAll(groups, answers),
				(error: unknown) => {
					const failure = describeWriteFailure(error);
					for (const group of groups) {
						settle(group, failure);
					}
				},
			)
			.finally(() => {
				this.#commands--;
				for (const group of groups) {
					this.#inFlight.delete(group);
				}
				this.#afterSettling();
			});
	}

	#append(groups: readonly Group[]): Promise<unknown> {
		const { stream, routing, maxEntries, onceWindowMs } = this.#options;
		const { keys, args } = buildAppend(groups, stream, routing);
		const publish = routing === undefined ? '' : publishCommandOf(this.#client);
		return SCRIPT.run(this.#client, keys, [maxEntries, onceWindowMs, publish, ...args]);
	}

	/** One timer for all: deadlines are as long for every group, so the oldest is the first. */
	#armExpiry(): void {
		const oldest = this.#inFlight.values().next().value ?? this.#waiting[0];
		if (oldest && this.#expiry === undefined) {
			this.#expiry = setTimeout(() => this.#expire(), Math.max(1, oldest.expiresAt - Date.now()));
		}
	}

	#expire(): void {
		this.#expiry = undefined;
		const now = Date.now();
		for (const group of this.#inFlight) {
			if (group.expiresAt <= now) {
				settle(group, unknownOutcome(`no answer within ${this.#options.timeoutMs} ms`));
				this.#inFlight.delete(group);
			}
		}
		let expired = 0;
		while ((this.#waiting[expired]?.expiresAt ?? Number.POSITIVE_INFINITY) <= now) {
			expired++;
		}
		for (const group of this.#waiting.splice(0, expired)) {
			this.#waitingChars -= group.chars;
			settle(group, notWritten(this.#describeAbsence()));
		}
		this.#armExpiry();
		this.#afterSettling();
	}

	#isIdle(): boolean {
		return this.#waiting.length === 0 && this.#inFlight.size === 0;
	}

	#afterSettling(): void {
		if (this.#waiting.length > 0) {
			this.#queueFlush();
		} else if (this.#isIdle()) {
			this.#onIdle?.();
		}
	}

	async #waitUntilReady(deadline: number): Promise<void> {
		while (this.#client.status !== 'ready') {
			if (this.#closed || Date.now() >= deadline) {
				throw notWritten(this.#closed ? 'this emitter is closed' : this.#describeAbsence());
			}
			await sleep(20);
		}
	}

	#describeAbsence(): string {
		if (this.#client.status === 'ready') {
			return `Redis does not answer, and ${this.#options.timeoutMs} ms are over`;
		}
		const trouble = this.#lastTrouble === '' ? '' : ` (${this.#lastTrouble})`;
		return `Redis was not ready within ${this.#options.timeoutMs} ms${trouble}`;
	}
}
