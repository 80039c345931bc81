/** Typed messages over the channel of node:cluster: one listener per process end, dispatch by kind, requests with a deadline. */
import type { Server, Socket } from 'node:net';
import { withDeadline } from '../base/deadline.ts';
import { AppError } from '../base/errors.ts';
import { IPC_VERSION, type ToPrimary, type ToWorker, type Versioned, type WorkerReplies } from './messages.ts';

/** What both `process` (in a worker) and `cluster.Worker` (in the primary) offer. */
export interface Endpoint {
	on(event: 'message', listener: (message: unknown, handle?: unknown) => void): unknown;
	send?: (
		message: Versioned<ToWorker> | Versioned<ToPrimary>,
		handle: Socket | Server | undefined,
		callback: (error: Error | null) => void,
	) => boolean;
}

type Handlers<M extends { kind: string }> = {
	[K in M['kind']]?: (message: Extract<M, { kind: K }>, handle: Socket | undefined) => void;
};

/** Sends `Out`, dispatches `In`. A message of another version or shape is an error of the program and is thrown. */
export class Channel<Out extends { kind: string }, In extends { kind: string }> {
	readonly #endpoint: Endpoint;
	readonly #handlers: Handlers<In>;

	constructor(endpoint: Endpoint, handlers: Handlers<In>) {
		this.#endpoint = endpoint;
		this.#handlers = handlers;
		endpoint.on('message', (message, handle) => this.#dispatch(message, handle as Socket | undefined));
	}

	/** `onSent` gets an error when the other end is gone; with a handle it runs when the other end has it. */
	send(message: Out, handle?: Socket, onSent: (error: Error | null) => void = ignoreClosed): void {
		if (this.#endpoint.send === undefined) {
			onSent(new AppError('ERR_UNREACHABLE', 'the channel is closed'));
			return;
		}
		const versioned = { ...message, v: IPC_VERSION } as unknown as Versioned<ToWorker>;
		this.#endpoint.send(versioned, handle, onSent);
	}

	#dispatch(message: unknown, handle: Socket | undefined): void {
		if (typeof message !== 'object' || message === null || !('kind' in message) || !('v' in message)) {
			return; // node:cluster's own messages and those of the application's libraries
		}
		if (message.v !== IPC_VERSION) {
			throw new AppError('ERR_UNEXPECTED', `message of version ${String(message.v)} on a channel of version ${IPC_VERSION}`);
		}
		const typed = message as unknown as In;
		const handler = this.#handlers[typed.kind as In['kind']] as ((message: In, handle: Socket | undefined) => void) | undefined;
		handler?.(typed, handle);
	}
}

/** A peer that went away is noticed by its exit, which is handled where the process is supervised. */
function ignoreClosed(): undefined {
	return undefined;
}

/** The primary's questions to one worker. */
export class Requests {
	readonly #pending = new Map<
		number,
		{ readonly resolve: (value: WorkerReplies[keyof WorkerReplies]) => void; readonly reject: (error: Error) => void }
	>();
	#nextId = 1;

	/** Rejects with ERR_DEADLINE when the worker does not answer in time, with ERR_UNREACHABLE when it ends. */
	ask<K extends keyof WorkerReplies>(what: K, send: (message: ToWorker) => void, deadlineMs: number): Promise<WorkerReplies[K]> {
		const id = this.#nextId++;
		const answer = new Promise<WorkerReplies[K]>((resolve, reject) => {
			this.#pending.set(id, { resolve: (value) => resolve(value as WorkerReplies[K]), reject });
			send({ kind: 'request', id, what });
		});
		return withDeadline(answer, deadlineMs, `the worker's ${what}`).finally(() => this.#pending.delete(id));
	}

	settle(id: number, value: WorkerReplies[keyof WorkerReplies]): void {
		this.#pending.get(id)?.resolve(value);
	}

	/** The worker is gone: nobody waits for it any longer. */
	abandon(): void {
		for (const { reject } of this.#pending.values()) {
			reject(new AppError('ERR_UNREACHABLE', 'the worker ended'));
		}
	}
}
