/** Pooled HTTP connections to the workers that own other sessions: siblings over Unix sockets, other pods over their internal port. */
import { randomBytes } from 'node:crypto';
import { Agent } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError } from '../base/errors.ts';
import { siblingSocketPath } from '../config/fork.ts';
import { buildPreamble } from '../net/peer-preamble.ts';
import type { Directory } from './pods/directory.ts';

/** A worker elsewhere. */
export type Target =
	| { readonly kind: 'sibling'; readonly slot: number }
	| { readonly kind: 'pod'; readonly pod: string; readonly slot: number };

export interface PeersOptions {
	readonly runDir: string;
	/** Slots of this pod: a session id that names another is forged. */
	readonly slots: number;
	readonly fleetKey: string;
	/** Undefined without Redis: then there are no other pods. */
	readonly directory: Pick<Directory, 'find'> | undefined;
}

const CONNECT_TIMEOUT_MS = 1000;
/** Idle pooled connections end before the other side's keep-alive does, so that none is used while it closes. */
const IDLE_MS = 30_000;
export const PEER_KEEP_ALIVE_MS = 60_000;

export class Peers {
	readonly #options: PeersOptions;
	readonly #agents = new Map<string, Agent>();

	constructor(options: PeersOptions) {
		this.#options = options;
	}

	/** The pool for `target`, or undefined when no such worker is known. Never rejects. */
	async agentFor(target: Target): Promise<Agent | undefined> {
		const place = await this.#placeOf(target);
		if (!place) {
			return undefined;
		}
		let agent = this.#agents.get(place.key);
		if (!agent) {
			agent = new PeerAgent(place.open);
			this.#agents.set(place.key, agent);
		}
		return agent;
	}

	close(): void {
		for (const agent of this.#agents.values()) {
			agent.destroy();
		}
		this.#agents.clear();
	}

	async #placeOf(target: Target): Promise<{ key: string; open: () => Socket } | undefined> {
		const { runDir, slots, fleetKey, directory } = this.#options;
		if (target.kind === 'sibling') {
			const path = siblingSocketPath(runDir, target.slot);
			return target.slot < slots ? { key: path, open: () => connect({ path }) } : undefined;
		}
		const address = await directory?.find(target.pod);
		if (!address) {
			return undefined;
		}
		const open = (): Socket => {
			const socket = connect({ host: address.host, port: address.port, noDelay: true });
			socket.write(
				buildPreamble({ key: fleetKey, pod: target.pod, slot: target.slot, now: Date.now(), nonce: randomBytes(12).toString('base64url') }),
			);
			return socket;
		};
		return { key: `${target.pod}/${target.slot}@${address.host}:${address.port}`, open };
	}
}

/** An agent whose connections are opened by `open`, and given up when they take more than a second. */
class PeerAgent extends Agent {
	readonly #open: () => Socket;

	constructor(open: () => Socket) {
		super({ keepAlive: true, timeout: IDLE_MS, scheduling: 'lifo' });
		this.#open = open;
	}

	override createConnection(): Duplex {
		const socket = this.#open();
		const timer = setTimeout(
			() => socket.destroy(new AppError('ERR_DEADLINE', `no connection to the owner within ${CONNECT_TIMEOUT_MS} ms`)),
			CONNECT_TIMEOUT_MS,
		);
		socket.once('connect', () => clearTimeout(timer)).once('close', () => clearTimeout(timer));
		return socket;
	}
}
