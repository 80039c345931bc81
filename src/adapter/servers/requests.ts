/**
 * Questions to all servers of a namespace, `fetchSockets()` and `serverSideEmit()` with an answer: bounded in time, and an answer
 * that is not whole says who is missing. Official servers are asked and answered in their format.
 */
import { randomBytes } from 'node:crypto';
import { Adapter, type BroadcastOptions, type ClusterResponse } from 'socket.io-adapter';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Metrics } from '../../metrics/registry.ts';
import { FETCH_SOCKETS, FETCH_SOCKETS_RESPONSE, SERVER_SIDE_EMIT, SERVER_SIDE_EMIT_RESPONSE } from '../../stream/protocol.ts';
import { encodeOptions, type OfficialAdapter } from '../official.ts';
import { toPlainData } from '../plain-data.ts';
import type { Attendance } from './attendance.ts';
import { PartialAnswerError, withMissing } from './partial-answer.ts';
import type { RollCall } from './roll-call.ts';

const DEFAULT_TIMEOUT_MS = 5000;

export interface RequestsDeps {
	readonly adapter: OfficialAdapter;
	readonly attendance: Attendance;
	readonly metrics: Metrics;
	readonly log: Logger;
}

interface OpenRequest {
	readonly rollCall: RollCall;
	readonly answers: unknown[];
}

interface Answer {
	readonly answers: readonly unknown[];
	/** Names of servers that have not answered and may live. */
	readonly missing: readonly string[];
}

type AnswerCallback = (error: PartialAnswerError | null, answers: readonly unknown[]) => void;

export class Requests {
	readonly #deps: RequestsDeps;
	readonly #open = new Map<string, OpenRequest>();

	constructor(deps: RequestsDeps) {
		this.#deps = deps;
	}

	async fetchSockets(opts: BroadcastOptions): Promise<unknown[]> {
		const { adapter } = this.#deps;
		const local = await Adapter.prototype.fetchSockets.call(adapter, opts);
		if (opts.flags?.local) {
			return local;
		}
		const timeoutMs = opts.flags?.timeout ?? DEFAULT_TIMEOUT_MS;
		const { answers, missing } = await this.#ask(FETCH_SOCKETS, { opts: encodeOptions(opts) }, timeoutMs);
		return withMissing([...local, ...answers.flat()], missing);
	}

	/** Not `async`: what cannot be encoded throws at the caller. Socket.IO awaits nothing here. */
	serverSideEmit(packet: unknown[]): Promise<unknown> {
		const callback = packet.at(-1);
		if (typeof callback !== 'function') {
			return this.#deps.adapter.publishAndReturnOffset({ type: SERVER_SIDE_EMIT, data: { packet } });
		}
		const answer = this.#ask(SERVER_SIDE_EMIT, { packet: packet.slice(0, -1) }, DEFAULT_TIMEOUT_MS);
		return callBack(callback as AnswerCallback, answer);
	}

	/** Takes an answer to one of our questions; false when it belongs to something else. */
	take(response: ClusterResponse): boolean {
		const request = this.#open.get(response.data.requestId);
		if (request === undefined || (response.type !== FETCH_SOCKETS_RESPONSE && response.type !== SERVER_SIDE_EMIT_RESPONSE)) {
			return false;
		}
		if (request.rollCall.take(response.uid)) {
			request.answers.push(response.type === FETCH_SOCKETS_RESPONSE ? response.data.sockets : response.data.packet);
		}
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

	/** Throws at once what encoding throws. Never takes longer than `timeoutMs`, however long Redis takes to say who is there. */
	#ask(type: typeof FETCH_SOCKETS | typeof SERVER_SIDE_EMIT, data: object, timeoutMs: number): Promise<Answer> {
		const { adapter, attendance } = this.#deps;
		const requestId = randomBytes(8).toString('hex');
		const rollCall = attendance.call(() => void adapter.publishAndReturnOffset({ type, data: { ...data, requestId } }));
		const answers: unknown[] = [];
		this.#open.set(requestId, { rollCall, answers });
		const timer = setTimeout(() => rollCall.end(), timeoutMs);
		return rollCall.over.then(() => {
			clearTimeout(timer);
			this.#open.delete(requestId);
			return { answers, missing: rollCall.missing };
		});
	}
}

async function callBack(callback: AnswerCallback, answer: Promise<Answer>): Promise<void> {
	const { answers, missing } = await answer;
	callback(missing.length > 0 ? new PartialAnswerError(missing) : null, answers);
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
