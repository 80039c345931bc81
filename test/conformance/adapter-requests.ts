/** What an adapter must do with questions: to clients, which acknowledge, and to the other servers. */
import assert from 'node:assert/strict';
import { waitFor } from '../support/wait.ts';
import { type Node, waitForMembership } from './support/nodes.ts';
import type { Case, Stage } from './support/stage.ts';

export const CLIENT_QUESTIONS = {
	'acknowledgements of everyone, and who does not answer in time': acknowledgements,
	'acknowledgements keep what came in time, and carry binary': partialAcknowledgements,
	'acknowledgements of nobody are none, and not waited for': acknowledgementsOfNobody,
	'one client that was found from afar acknowledges by itself': singleAcknowledgements,
} satisfies Record<string, Case>;

/** The last one ends a server. */
export const SERVER_QUESTIONS = {
	'messages to the servers, with and without an answer': serverSideEmits,
	'a question that one server does not answer ends with the answers of the others': unansweredQuestion,
	'a server that leaves a namespace while it is asked is not waited for': leavesWhileAsked,
	'a server that has left is not asked': hasLeft,
} satisfies Record<string, Case>;

async function acknowledgements({ first, clients }: Stage): Promise<void> {
	for (const [i, { socket }] of clients.entries()) {
		socket.on('question', (word: string, answer: (text: string) => void) => answer(`${word} ${i}`));
	}
	const answers: unknown = await first.io.to('all').timeout(5000).emitWithAck('question', 'hello');
	assert.deepEqual(new Set(answers as string[]), new Set(clients.map((_, i) => `hello ${i}`)));
	clients[0]?.socket.on('ignored', () => undefined);
	await assert.rejects(async () => first.io.to('only-0').timeout(300).emitWithAck('ignored'));
	for (const { socket } of clients) {
		socket.off('question').off('ignored');
	}
}

async function partialAcknowledgements({ last, clients }: Stage): Promise<void> {
	for (const [i, { socket }] of clients.entries()) {
		socket.on('question', (bytes: Buffer, answer: (answer: object) => void) => {
			if (i > 0) {
				answer({ from: i, bytes });
			}
		});
	}
	const answersOf = async (asked: Promise<unknown>): Promise<unknown> =>
		asked.then(
			() => assert.fail('one did not answer'),
			(error: { responses: { from: number }[] }) => error.responses.toSorted((a, b) => a.from - b.from),
		);
	const bytes = Buffer.from([1, 2, 3]);
	const answers = await answersOf(last.io.to('all').timeout(500).emitWithAck('question', bytes));
	assert.deepEqual(
		answers,
		clients.slice(1).map((_, i) => ({ from: i + 1, bytes })),
	);
	for (const { socket } of clients) {
		socket.off('question');
	}
}

/** What would be waited for would be refused. */
async function acknowledgementsOfNobody({ nodes }: Stage): Promise<void> {
	for (const node of nodes) {
		assert.deepEqual(await node.io.to('nobody').timeout(5000).emitWithAck('question'), []);
	}
}

async function singleAcknowledgements({ first, last, clients }: Stage): Promise<void> {
	const client = clients.at(-1);
	const [found] = await first.io.in(`only-${clients.length - 1}`).fetchSockets();
	assert.ok(client && found);
	client.socket.on('question', (word: string, answer: (text: unknown) => void) => answer({ word, bytes: Buffer.from(word) }));
	assert.deepEqual(await found.timeout(5000).emitWithAck('question', 'hi'), { word: 'hi', bytes: Buffer.from('hi') });
	client.socket.off('question');
	await assert.rejects(async () => found.timeout(300).emitWithAck('question', 'anyone?'), /timed out/);
	assert.equal(last.io.sockets.sockets.get(found.id)?.connected, true);
}

function othersOf({ nodes }: Stage): readonly Node[] {
	const others = nodes.slice(1);
	assert.ok(others.length > 0, 'there are no other servers');
	return others;
}

async function serverSideEmits(stage: Stage): Promise<void> {
	othersOf(stage);
	const { nodes, first } = stage;
	const side = nodes.map((node) => node.io.of('/side'));
	const heard = side.map((): unknown[][] => []);
	side.forEach((nsp, i) => {
		nsp.on('notice', (...args: unknown[]) => heard[i]?.push(args));
		nsp.on('ask', (word: string, answer: (text: string) => void) => answer(`${word} from ${i}`));
	});
	first.io.of('/side').serverSideEmit('notice', 1, { a: Buffer.from('b') });
	await waitFor('the other servers to hear', () => heard.slice(1).every((events) => events.length === 1));
	assert.deepEqual(heard[1]?.[0], [1, { a: Buffer.from('b') }]);
	assert.equal(heard[0]?.length, 0);
	const answers = await first.io.of('/side').serverSideEmitWithAck('ask', 'hi');
	assert.deepEqual(new Set(answers), new Set(nodes.slice(1).map((_, i) => `hi from ${i + 1}`)));
	assert.equal(answers.length, nodes.length - 1);
}

async function unansweredQuestion(stage: Stage): Promise<void> {
	const [mute, ...answering] = othersOf(stage);
	mute?.io.of('/side').on('who', () => undefined);
	answering.forEach((node, i) => {
		node.io.of('/side').on('who', (answer: (name: string) => void) => answer(`server ${i}`));
	});
	await assert.rejects(
		async () => stage.first.io.of('/side').serverSideEmitWithAck('who'),
		(error: { responses: unknown[] }) => {
			assert.deepEqual(
				error.responses,
				answering.map((_, i) => `server ${i}`),
			);
			return true;
		},
	);
}

async function leavesWhileAsked(stage: Stage): Promise<void> {
	const [leaving, ...staying] = othersOf(stage).map(({ io }) => io.of('/leaving'));
	leaving?.on('who', () => void leaving.adapter.close());
	for (const nsp of staying) {
		nsp.on('who', (answer: (name: string) => void) => answer('stayed'));
	}
	const answers: unknown = await stage.first.io.of('/leaving').serverSideEmitWithAck('who');
	assert.deepEqual(
		answers,
		staying.map(() => 'stayed'),
	);
}

async function hasLeft(stage: Stage): Promise<void> {
	othersOf(stage);
	const { nodes, first, last } = stage;
	await last.close();
	const left = nodes.slice(0, -1);
	await waitForMembership(left, left.length, '/side');
	left.slice(1).forEach((node, i) => {
		node.io.of('/side').on('still', (answer: (name: string) => void) => answer(`server ${i}`));
	});
	assert.deepEqual(
		await first.io.of('/side').serverSideEmitWithAck('still'),
		left.slice(1).map((_, i) => `server ${i}`),
	);
}
