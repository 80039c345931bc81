/**
 * Broadcasts that want an acknowledgement of each client, `emitWithAck()`. Each server says how many of its clients were asked, also 0;
 * their acknowledgements follow. Socket.IO is told the sum once everyone has said it who can.
 */
import { randomBytes } from 'node:crypto';
import { Adapter, type BroadcastOptions, type ClusterResponse } from 'socket.io-adapter';
import { BROADCAST, BROADCAST_ACK, BROADCAST_CLIENT_COUNT } from '../../stream/protocol.ts';
import { encodeOptions, type OfficialAdapter } from '../official.ts';
import type { Attendance } from './attendance.ts';
import type { RollCall } from './roll-call.ts';

type BroadcastWithAck = Parameters<Adapter['broadcastWithAck']>;

interface OpenBroadcast {
	readonly rollCall: RollCall;
	readonly timer: NodeJS.Timeout;
	readonly onAck: BroadcastWithAck[3];
	/** How many clients were asked, as far as their servers have said. */
	clients: number;
	acks: number;
}

export class Acknowledgements {
	readonly #adapter: OfficialAdapter;
	readonly #attendance: Attendance;
	readonly #open = new Map<string, OpenBroadcast>();
	#isCounting = false;

	constructor(adapter: OfficialAdapter, attendance: Attendance) {
		this.#adapter = adapter;
		this.#attendance = attendance;
	}

	/** As in socket.io-adapter, but that `onCount` is called once, with the clients of all servers. Throws what encoding throws. */
	broadcast(packet: BroadcastWithAck[0], opts: BroadcastOptions, onCount: BroadcastWithAck[2], onAck: BroadcastWithAck[3]): void {
		const adapter = this.#adapter;
		const askClients = (onLocalCount: BroadcastWithAck[2], onLocalAck: BroadcastWithAck[3]): void =>
			Adapter.prototype.broadcastWithAck.call(adapter, packet, opts, onLocalCount, onLocalAck);
		this.#expectOneCount();
		if (opts.flags?.local) {
			askClients(onCount, onAck);
			return;
		}
		const requestId = randomBytes(8).toString('hex');
		const data = { packet, requestId, opts: encodeOptions(opts) };
		const rollCall = this.#attendance.call(() => void adapter.publishAndReturnOffset({ type: BROADCAST, data }));
		const timer = setTimeout(() => this.#end(requestId), opts.flags?.timeout);
		const open: OpenBroadcast = { rollCall, timer, onAck, clients: 0, acks: 0 };
		this.#open.set(requestId, open);
		const onLocalCount = (count: number): void => {
			open.clients += count;
		};
		askClients(onLocalCount, (answer) => this.#onAck(requestId, open, answer));
		void rollCall.over.then(() => {
			// Who may live and has not said how many it asked leaves the sum open: then Socket.IO's own deadline ends it, with an error.
			if (rollCall.missing.length === 0) {
				onCount(open.clients);
				this.#endIfAnswered(requestId, open);
			}
		});
	}

	/**
	 * True once after each `broadcast()`: Socket.IO asks in the same turn how many servers will call back, and one does. Its own way, to
	 * compare two counts taken at two moments, waits for the whole deadline when a server came or went between them.
	 */
	takeCountQuestion(): boolean {
		const isAsked = this.#isCounting;
		this.#isCounting = false;
		return isAsked;
	}

	/** Takes what another server says about one of our broadcasts; false when it belongs to something else. */
	take(response: ClusterResponse): boolean {
		const open = this.#open.get(response.data.requestId);
		if (open === undefined) {
			return false;
		}
		if (response.type === BROADCAST_CLIENT_COUNT && open.rollCall.take(response.uid)) {
			open.clients += response.data.clientCount;
		} else if (response.type === BROADCAST_ACK && open.rollCall.answered.has(response.uid)) {
			// Of a server that was not counted it would be one acknowledgement too many.
			this.#onAck(response.data.requestId, open, response.data.packet);
		}
		return true;
	}

	close(): void {
		for (const requestId of [...this.#open.keys()]) {
			this.#end(requestId);
		}
	}

	#expectOneCount(): void {
		this.#isCounting = true;
		queueMicrotask(() => {
			this.#isCounting = false;
		});
	}

	#onAck(requestId: string, open: OpenBroadcast, answer: unknown): void {
		open.acks++;
		open.onAck(answer);
		this.#endIfAnswered(requestId, open);
	}

	#endIfAnswered(requestId: string, { rollCall, clients, acks }: OpenBroadcast): void {
		if (rollCall.isOver && acks === clients) {
			this.#end(requestId);
		}
	}

	#end(requestId: string): void {
		const open = this.#open.get(requestId);
		clearTimeout(open?.timer);
		this.#open.delete(requestId);
		open?.rollCall.end();
	}
}
