/**
 * Questions to all servers of a namespace, `fetchSockets()` and `serverSideEmit()` with an answer: bounded in time, and an answer
 * that is not whole says who is missing. Official servers are asked and answered in their format.
 */
import { randomBytes } from 'node:crypto';
import { decode, encode } from '@msgpack/msgpack';
import { Adapter, type BroadcastOptions, type ClusterResponse } from 'socket.io-adapter';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Metrics } from '../../metrics/registry.ts';
import { FETCH_SOCKETS, FETCH_SOCKETS_RESPONSE, SERVER_SIDE_EMIT, SERVER_SIDE_EMIT_RESPONSE } from '../../stream/protocol.ts';
import type { OfficialAdapter } from '../official.ts';
import { toPlainData } from '../plain-data.ts';
import type { Departure, Members } from './members.ts';
import { PartialAnswerError, withMissing } from './partial-answer.ts';

const DEFAULT_TIMEOUT_MS = 5000;
/** Stands for a server that no heartbeat tells of: a plain Socket.IO server with the official adapter. */
const UNKNOWN_SERVER = 'unknown';

export interface RequestsDeps {
	readonly adapter: OfficialAdapter;
	readonly members: Pick<Members, 'nodesOf'>;
	readonly metrics: Metrics;
	readonly log: Logger;
	/** Connections that listen for requests of this namespace, ours included. */
	countServers(): Promise<number>;
}

type AnswerCallback = (error: PartialAnswerError | null, answers: readonly unknown[]) => void;

interface OpenRequest {
	/** Known servers that have not answered. */
	readonly missing: Map<string, string>;
	/** Names of those that are not waited for any more, though they may live. */
	readonly silent: string[];
	/** How many servers beside those must answer. */
	unknown: number;
	readonly answers: unknown[];
	readonly timer: NodeJS.Timeout;
	finish(): void;
}

export class Requests {
	readonly #deps: RequestsDeps;
	readonly #open = new Map<string, OpenRequest>();

	constructor(deps: RequestsDeps) {
		this.#deps = deps;
	}

	/** Servers of this namespace, this one included. Never rejects: Socket.IO awaits it where nobody catches. */
	async serverCount(): Promise<number> {
		const known = 1 + this.#nodes().size;
		try {
			return Math.max(1, await this.#deps.countServers());
		} catch (error) {
			this.#deps.log.debug({ err: messageOf(error) }, 'servers could not be counted');
			return known;
		}
	}

	async fetchSockets(opts: BroadcastOptions): Promise<unknown[]> {
		const { adapter } = this.#deps;
		const local = await Adapter.prototype.fetchSockets.call(adapter, opts);
		if (opts.flags?.local) {
			return local;
		}
		const data = { opts: { rooms: [...opts.rooms], except: [...(opts.except ?? [])], flags: opts.flags } };
		const { answers, missing } = await this.#ask(FETCH_SOCKETS, data, opts.flags?.timeout ?? DEFAULT_TIMEOUT_MS);
		return withMissing([...local, ...answers.flat()], missing);
	}

	/** Not `async`: what cannot be encoded throws at the caller. Socket.IO awaits nothing here. */
	serverSideEmit(packet: unknown[]): Promise<unknown> {
		const callback = packet.at(-1);
		if (typeof callback !== 'function') {
			return this.#deps.adapter.publishAndReturnOffset({ type: SERVER_SIDE_EMIT, data: { packet } });
		}
		// As it is now: it is sent once the servers are counted.
		return this.#askServers(decode(encode(packet.slice(0, -1))), callback as AnswerCallback);
	}

	/** Takes an answer to one of our questions; false when it belongs to something else. */
	take(response: ClusterResponse): boolean {
		const request = this.#open.get(response.data.requestId);
		if (request === undefined) {
			return false;
		}
		if (response.type === FETCH_SOCKETS_RESPONSE) {
			request.answers.push(response.data.sockets);
		} else if (response.type === SERVER_SIDE_EMIT_RESPONSE) {
			request.answers.push(response.data.packet);
		} else {
			return false;
		}
		if (!request.missing.delete(response.uid)) {
			request.unknown--;
		}
		this.#check(request);
		return true;
	}

	/** Answers with what can travel of `socket.data` and the handshake. */
	answerFetchSockets(requester: string, data: { readonly opts: { rooms: string[]; except: string[] }; readonly requestId: string }): void {
		const { adapter } = this.#deps;
		const opts = { rooms: new Set(data.opts.rooms), except: new Set(data.opts.except) };
		void Adapter.prototype.fetchSockets.call(adapter, opts).then((sockets: SocketView[]) => {
			this.guard(() =>
				adapter.publishResponse(requester, {
					type: FETCH_SOCKETS_RESPONSE,
					data: { requestId: data.requestId, sockets: sockets.map(describeSocket) },
				}),
			);
		});
	}

	/** An answer that can't be encoded is lost, and nothing else. */
	guard(answer: () => void): void {
		try {
			answer();
		} catch (error) {
			this.#deps.metrics.inc('socketfleet_redis_errors_total', { reason: 'answer' }, 1);
			this.#deps.log.error({ err: messageOf(error), namespace: this.#deps.adapter.nsp.name }, 'an answer to another server cannot be sent');
		}
	}

	/** That server will not answer any more. One that is only silent may have sockets all the same: the answer without them is partial. */
	forget(uid: string, departure: Departure): void {
		for (const request of this.#open.values()) {
			const name = request.missing.get(uid);
			if (name === undefined) {
				continue;
			}
			request.missing.delete(uid);
			if (departure === 'silent') {
				request.silent.push(name);
			}
			this.#check(request);
		}
	}

	close(): void {
		for (const request of [...this.#open.values()]) {
			request.finish();
		}
	}

	#nodes(): ReadonlyMap<string, string> {
		return this.#deps.members.nodesOf(this.#deps.adapter.nsp.name);
	}

	async #askServers(packet: unknown, callback: AnswerCallback): Promise<void> {
		const { answers, missing } = await this.#ask(SERVER_SIDE_EMIT, { packet }, DEFAULT_TIMEOUT_MS);
		callback(missing.length > 0 ? new PartialAnswerError(missing) : null, answers);
	}

	async #ask(
		type: typeof FETCH_SOCKETS | typeof SERVER_SIDE_EMIT,
		data: object,
		timeoutMs: number,
	): Promise<{ readonly answers: readonly unknown[]; readonly missing: readonly string[] }> {
		const missing = new Map(this.#nodes());
		const servers = await this.serverCount();
		const unknown = Math.max(0, servers - 1 - missing.size);
		if (missing.size + unknown === 0) {
			return { answers: [], missing: [] };
		}
		const requestId = randomBytes(8).toString('hex');
		return new Promise((resolve) => {
			const finish = (): void => {
				clearTimeout(request.timer);
				this.#open.delete(requestId);
				resolve({
					answers: request.answers,
					missing: [...request.silent, ...request.missing.values(), ...Array<string>(Math.max(0, request.unknown)).fill(UNKNOWN_SERVER)],
				});
			};
			const request: OpenRequest = { missing, silent: [], unknown, answers: [], timer: setTimeout(finish, timeoutMs), finish };
			this.#open.set(requestId, request);
			void this.#deps.adapter.publishAndReturnOffset({ type, data: { ...data, requestId } });
		});
	}

	#check(request: OpenRequest): void {
		if (request.missing.size === 0 && request.unknown <= 0) {
			request.finish();
		}
	}
}

interface SocketView {
	readonly id: string;
	readonly handshake: object;
	readonly rooms: Iterable<string>;
	readonly data: unknown;
}

/** The form in which official servers tell of their sockets; `sessionStore` of express-session may hold connections. */
function describeSocket(socket: SocketView): object {
	const { sessionStore: _, ...handshake } = socket.handshake as Record<string, unknown>;
	const ignore = (): void => undefined;
	return {
		id: socket.id,
		handshake: toPlainData(handshake, ignore),
		rooms: [...socket.rooms],
		data: toPlainData(socket.data, ignore),
	};
}
