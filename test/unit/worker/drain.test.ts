import assert from 'node:assert/strict';
import type { Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { createMetrics } from '../../../src/metrics/registry.ts';
import { type DrainResult, drainWorker } from '../../../src/worker/drain.ts';
import type { EngineSession } from '../../../src/worker/engine.ts';

/** A worker whose clock jumps: nobody waits. */
class Rig {
	readonly clients: Record<string, EngineSession> = {};
	readonly tunnels = new Set<Duplex>();
	readonly connections = new Set<Socket>();
	/** When each session or tunnel was closed, in this order. */
	readonly closedAt: number[] = [];
	/** What happens at a time from outside. */
	readonly events: { readonly at: number; readonly run: () => void }[] = [];
	idleClosedAt: number | undefined;
	#now = 0;

	get now(): number {
		return this.#now;
	}

	addSession(id: string, hangs = false): void {
		const close = () => {
			this.closedAt.push(this.#now);
			if (!hangs) {
				delete this.clients[id];
			}
		};
		this.clients[id] = { close } as EngineSession;
	}

	addTunnel(): void {
		const destroy = () => {
			this.closedAt.push(this.#now);
			this.tunnels.delete(tunnel);
		};
		const tunnel = { destroy } as unknown as Duplex;
		this.tunnels.add(tunnel);
	}

	drain(spreadMs: number, timeoutMs: number): Promise<DrainResult> {
		const closeIdleConnections = () => {
			this.idleClosedAt ??= this.#now;
		};
		return drainWorker({
			engine: { clients: this.clients },
			tunnels: this.tunnels,
			connections: this.connections,
			servers: [{ closeIdleConnections } as HttpServer],
			metrics: createMetrics(),
			spreadMs,
			timeoutMs,
			random: () => 0.5,
			clock: { now: () => this.#now, sleep: async (ms) => this.#advance(ms) },
		});
	}

	#advance(ms: number): void {
		this.#now += ms;
		for (const event of this.events.splice(0)) {
			if (event.at <= this.#now) {
				event.run();
			} else {
				this.events.push(event);
			}
		}
	}
}

test('sessions and tunnels are closed evenly over the spread, each in its own share of it', async () => {
	const rig = new Rig();
	for (let index = 0; index < 8; index++) {
		rig.addSession(`session ${index}`);
	}
	rig.addTunnel();
	rig.addTunnel();
	assert.deepEqual(await rig.drain(1000, 60_000), { closed: 10, terminated: 0 });
	assert.deepEqual(rig.closedAt, [50, 150, 250, 350, 450, 550, 650, 750, 850, 950]);
});

test('a session that opens meanwhile is closed too, and idle connections only after a grace', async () => {
	const rig = new Rig();
	const connection = {} as Socket;
	rig.connections.add(connection);
	rig.events.push({ at: 200, run: () => rig.addSession('late') }, { at: 3000, run: () => void rig.connections.delete(connection) });
	assert.deepEqual(await rig.drain(0, 60_000), { closed: 0, terminated: 0 });
	assert.deepEqual(rig.closedAt, [200]);
	assert.equal(rig.idleClosedAt, 500);
	assert.equal(rig.now, 3000, 'it is over when the last connection is');
});

test('at the deadline whatever is left is cut off, even while the spread is not over', async () => {
	const rig = new Rig();
	for (let index = 0; index < 4; index++) {
		rig.addSession(`session ${index}`, true);
	}
	let destroyed = 0;
	for (let index = 0; index < 3; index++) {
		rig.connections.add({ destroy: () => destroyed++ } as unknown as Socket);
	}
	assert.deepEqual(await rig.drain(100_000, 2000), { closed: 4, terminated: 3 });
	assert.equal(destroyed, 3);
	assert.equal(rig.now, 2000);
});
