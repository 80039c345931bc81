/** JSON lines -> batches -> a sender: in order, a bounded number on their way, every line accounted for. */
import { AppError, messageOf } from '../base/errors.ts';
import type { Sender } from './http-sender.ts';
import type { EmitMessage } from './schema.ts';

export interface PumpOptions {
	readonly sender: Sender;
	/** Lines in one batch. */
	readonly batchSize: number;
	/** Batches on their way at a time. */
	readonly concurrency: number;
	/** One line's JSON -> its message. */
	readonly toMessage: (value: unknown) => EmitMessage;
	readonly onFailure: (line: number, error: AppError) => void;
}

export interface Tally {
	sent: number;
	failed: number;
	/** Why the first line that failed did. */
	firstFailure: AppError | undefined;
}

interface Line {
	readonly number: number;
	readonly message: EmitMessage;
}

/** Faults of a message, not of the way there: the others of its batch may still be sent. */
const FAULTS_OF_ONE: ReadonlySet<string> = new Set(['ERR_VALIDATION', 'ERR_CONFLICT', 'ERR_FORBIDDEN', 'ERR_TOO_LARGE', 'ERR_NOT_FOUND']);

export class Pump {
	readonly tally: Tally = { sent: 0, failed: 0, firstFailure: undefined };
	readonly #options: PumpOptions;
	readonly #underway = new Set<Promise<void>>();
	#batch: Line[] = [];
	#lines = 0;

	constructor(options: PumpOptions) {
		this.#options = options;
	}

	/** Resolves when every line has been sent or has failed. Throws what `input` throws. */
	async run(input: AsyncIterable<string>): Promise<Tally> {
		let rest = '';
		for await (const chunk of input) {
			const lines = (rest + chunk).split('\n');
			rest = lines.pop() ?? '';
			for (const line of lines) {
				await this.#take(line);
			}
		}
		await this.#take(rest);
		await this.#flush();
		await Promise.all(this.#underway);
		return this.tally;
	}

	/** Empty lines are passed over. */
	async #take(line: string): Promise<void> {
		this.#lines++;
		if (line.trim() === '') {
			return;
		}
		try {
			this.#batch.push({ number: this.#lines, message: this.#options.toMessage(JSON.parse(line)) });
		} catch (error) {
			this.#fail(this.#lines, error instanceof AppError ? error : new AppError('ERR_VALIDATION', `is not JSON: ${messageOf(error)}`));
			return;
		}
		if (this.#batch.length >= this.#options.batchSize) {
			await this.#flush();
		}
	}

	async #flush(): Promise<void> {
		const batch = this.#batch;
		this.#batch = [];
		if (batch.length === 0) {
			return;
		}
		while (this.#underway.size >= this.#options.concurrency) {
			await Promise.race(this.#underway);
		}
		const work = this.#send(batch).finally(() => this.#underway.delete(work));
		this.#underway.add(work);
	}

	/** A batch is written whole or not at all: refused for one line's sake, its lines are tried alone. */
	async #send(batch: readonly Line[]): Promise<void> {
		const failure = await this.#trySend(batch);
		if (failure === undefined) {
			this.tally.sent += batch.length;
			return;
		}
		if (batch.length === 1 || !FAULTS_OF_ONE.has(failure.code)) {
			for (const { number } of batch) {
				this.#fail(number, failure);
			}
			return;
		}
		for (const line of batch) {
			await this.#send([line]);
		}
	}

	async #trySend(batch: readonly Line[]): Promise<AppError | undefined> {
		try {
			await this.#options.sender.batch(batch.map(({ message }) => message));
			return undefined;
		} catch (error) {
			return error instanceof AppError ? error : new AppError('ERR_UNEXPECTED', messageOf(error), { cause: error });
		}
	}

	#fail(line: number, error: AppError): void {
		this.tally.failed++;
		this.tally.firstFailure ??= error;
		this.#options.onFailure(line, error);
	}
}
