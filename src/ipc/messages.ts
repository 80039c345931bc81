/** Every message between the primary and a worker. `v` is the version of this table: both ends run the same build, a difference is a bug. */
import type { Load, LoadCounters } from '../metrics/load.ts';
import type { MetricSnapshot } from '../metrics/snapshot.ts';

export const IPC_VERSION = 1;

/** How a connection reached the primary, hence which server of the worker takes it. */
export type ConnectionVia = 'public' | 'internal';

/** Travels with the socket's handle. */
export interface ConnectionMessage {
	readonly kind: 'connection';
	readonly via: ConnectionVia;
	/** Bytes that were read before the hand-over, to be put back. */
	readonly bytes: Uint8Array | undefined;
	/** The client's address and port as a PROXY header gave them; absent when the socket's own peer is right. */
	readonly source: { readonly address: string; readonly port: number } | undefined;
}

export interface DrainMessage {
	readonly kind: 'drain';
	readonly spreadMs: number;
	/** Milliseconds from receipt until whatever is left is terminated. */
	readonly timeoutMs: number;
}

/** Close some sessions and go on serving. */
export interface ShedMessage {
	readonly kind: 'shed';
	readonly count: number;
	readonly spreadMs: number;
	readonly reason: 'drain' | 'rebalance';
}

export type ToWorker =
	| ConnectionMessage
	| DrainMessage
	| ShedMessage
	| { readonly kind: 'request'; readonly id: number; readonly what: keyof WorkerReplies }
	| { readonly kind: 'log-level'; readonly level: string };

/** What a worker can be asked for, and the shape of the answer. */
export interface WorkerReplies {
	readonly snapshot: MetricSnapshot;
	readonly status: WorkerStatus;
}

export interface WorkerStatus {
	readonly pid: number;
	/** Engine.IO sessions that this worker owns. */
	readonly sessions: number;
	/** Tunnelled upgrades that pass through this worker to an owner elsewhere. */
	readonly tunnels: number;
	readonly rssBytes: number;
	readonly heapBytes: number;
	readonly uptimeSeconds: number;
	/** Since the worker started: whoever asks twice knows the rates, and nobody disturbs what the others measure. */
	readonly counters: LoadCounters;
	readonly eventLoop: { readonly activeMs: number; readonly idleMs: number };
	/** The pods that this worker knows, its own among them. */
	readonly peers: readonly PeerStatus[];
}

/** A pod as its last heartbeat described it. */
export interface PeerStatus {
	readonly pod: string;
	readonly workers: number;
	/** Redis' clock at the heartbeat, milliseconds. */
	readonly at: number;
	readonly load: Load | undefined;
}

export type ToPrimary =
	| { readonly kind: 'ready'; readonly publicPort: number | undefined; readonly apiPort: number | undefined }
	/** Why this worker is degraded, as sentences; empty when all is well. Sent whenever it changes. */
	| { readonly kind: 'reasons'; readonly reasons: readonly string[] }
	/** Another pod holds our id: choose another and start the workers again. */
	| { readonly kind: 'pod-taken' }
	/** The worker cannot run, and starting it again will not help. */
	| { readonly kind: 'fatal'; readonly code: string; readonly message: string }
	/** Last words before an orderly exit, so that counters keep what happened since the last scrape. */
	| { readonly kind: 'farewell'; readonly snapshot: MetricSnapshot; readonly closed: number; readonly terminated: number }
	| { readonly kind: 'reply'; readonly id: number; readonly value: WorkerReplies[keyof WorkerReplies] };

export type Versioned<M> = M & { readonly v: typeof IPC_VERSION };
