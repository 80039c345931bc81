/** A process full of clients that drop and come back: told what to do by its parent, see test/bench/returning.ts. */
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../../support/wait.ts';
import { ConnectFailed, type ResumePoint, SocketClient, sourceAddress } from '../support/socket-client.ts';
import { runMany } from '../support/stats.ts';
import type { ReturnReport, ToClients } from './messages.ts';

const OPEN_WIDTH = 32;
const RETURN_DEADLINE_MS = 60_000;
/** Missed messages come with the answer of the namespace or right after it. */
const MISSED_DEADLINE_MS = 20_000;

/** One client over its lives. */
interface Person {
	readonly address: string;
	client?: SocketClient;
	resume?: ResumePoint;
	/** Messages that it has had, by number. */
	readonly received: number[];
}

let url = '';
const people: Person[] = [];

process.on('message', (message: ToClients) => {
	void perform(message).then((report) => process.send?.(report));
});

async function perform(message: ToClients): Promise<ReturnReport | 'done'> {
	switch (message.kind) {
		case 'open':
			url = message.url;
			await openAll(message.count, message.firstAddress);
			return 'done';
		case 'drop':
			await dropAll();
			return 'done';
		case 'return':
			return returnAll(message.spreadMs);
	}
}

function connect(person: Person, deadlineMs?: number): Promise<SocketClient> {
	return SocketClient.connect(url, {
		localAddress: person.address,
		rooms: ['everyone'],
		onEvent: (_name, [number]) => {
			if (typeof number === 'number') {
				person.received.push(number);
			}
		},
		...(person.resume ? { resume: person.resume } : {}),
		...(deadlineMs === undefined ? {} : { deadlineMs }),
	});
}

async function openAll(count: number, firstAddress: number): Promise<void> {
	await runMany(count, OPEN_WIDTH, async (index) => {
		const person: Person = { address: sourceAddress(firstAddress + index), received: [] };
		person.client = await connect(person);
		people.push(person);
	});
}

/** As when the network goes: all at once, without a word. */
async function dropAll(): Promise<void> {
	await waitFor('every client to have an offset', () => people.every(({ client }) => client?.resumePoint));
	for (const person of people) {
		const point = person.client?.resumePoint;
		if (point) {
			person.resume = point;
		}
		person.client?.drop();
		person.received.length = 0;
	}
}

async function returnAll(spreadMs: number): Promise<ReturnReport> {
	const times: number[] = [];
	let recovered = 0;
	await Promise.all(
		people.map(async (person, index) => {
			await delay((index / people.length) * spreadMs);
			const startedAt = performance.now();
			const client = await connect(person, RETURN_DEADLINE_MS).catch(ignoreConnectFailed);
			if (client) {
				times.push(performance.now() - startedAt);
				recovered += client.isRecovered ? 1 : 0;
				person.client = client;
			}
		}),
	);
	const isComplete = (): boolean => people.every(({ received }) => received.length > 0);
	await waitFor('missed messages', isComplete, { timeoutMs: MISSED_DEADLINE_MS }).catch(() => undefined);
	const lost = people.filter(({ received }) => received.length === 0).length;
	const repeated = people.reduce((sum, { received }) => sum + received.length - new Set(received).size, 0);
	return { times, recovered, lost, repeated };
}

/** Counted by its absence from the times. */
function ignoreConnectFailed(error: unknown): undefined {
	if (!(error instanceof ConnectFailed)) {
		throw error;
	}
}
