/** Servers that are joined, and a client on each: what the cases of the adapter suite run on. */
import assert from 'node:assert/strict';
import type { Scope } from '../../support/redis-server.ts';
import { waitFor } from '../../support/wait.ts';
import { connectClient, type Node, type TestClient, waitForMembership } from './nodes.ts';

export type Case = (stage: Stage, t: Scope) => Promise<void>;

export interface Stage {
	readonly nodes: readonly Node[];
	readonly first: Node;
	readonly last: Node;
	/** One client on each node, all in room `all`, client i in room `only-i`. */
	readonly clients: readonly TestClient[];
}

export async function setStage(t: Scope, nodes: readonly Node[]): Promise<Stage> {
	const [first] = nodes;
	const last = nodes.at(-1);
	assert.ok(first && last);
	for (const node of nodes) {
		node.io.on('connection', (socket) => {
			const rooms: unknown = socket.handshake.auth.rooms;
			void socket.join(Array.isArray(rooms) ? rooms : []);
			socket.data.label = socket.handshake.auth.label;
		});
		node.io.of(/^\/dynamic-\d+$/);
		node.io.of('/side');
		node.io.of('/leaving');
	}
	await waitForMembership(nodes, nodes.length);
	await waitForMembership(nodes, nodes.length, '/side');
	await waitForMembership(nodes, nodes.length, '/leaving');
	const clients = await Promise.all(
		nodes.map((node, i) => connectClient(t, node, '', { auth: { rooms: ['all', `only-${i}`], label: `client ${i}` } })),
	);
	const stage = { nodes, first, last, clients };
	await mark(stage);
	return stage;
}

let marks = 0;

/** Everything that the first node sent before has arrived by then: one sender is heard in order. */
export async function mark({ first, clients }: Pick<Stage, 'first' | 'clients'>): Promise<void> {
	const name = `mark-${marks++}`;
	first.io.emit(name);
	await waitFor(`${name} to arrive everywhere`, () => clients.every((client) => client.received(name).length > 0));
}
