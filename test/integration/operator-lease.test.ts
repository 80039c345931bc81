/** Leader election: never two at once, a hand-over at an orderly end, a take-over after a death, and giving up when the API is away. */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { createSilentLogger } from '../../src/base/log.ts';
import { createKubeClient } from '../../src/kube/client.ts';
import { LeaseElection, type LeaseTiming } from '../../src/kube/lease.ts';
import { pick } from '../../src/kube/object.ts';
import { createTransport } from '../../src/kube/transport.ts';
import { ApiServer } from '../support/api-server.ts';
import { waitFor } from '../support/wait.ts';

const PATH = '/apis/coordination.k8s.io/v1/namespaces/demo/leases';
/** A stall of the machine must not look like a leader that is away. */
const PATIENT = { durationMs: 90_000, renewDeadlineMs: 60_000, retryMs: 100 };
const BRISK = { durationMs: 8000, renewDeadlineMs: 3000, retryMs: 100 };

interface Candidate {
	readonly election: LeaseElection;
	/** What it was told, in order. */
	readonly told: string[];
	/** From now on the API server does not answer it. */
	cutOff(): void;
}

function candidate(t: TestContext, api: ApiServer, identity: string, timing: LeaseTiming, order: string[] = []): Candidate {
	const told: string[] = [];
	const tell = (what: string): void => {
		told.push(what);
		order.push(`${identity} ${what}`);
	};
	let reachable = true;
	const transport = createTransport(api.url, async () => {
		await Promise.resolve();
		if (!reachable) {
			throw new Error('cut off');
		}
	});
	const client = createKubeClient({ transport });
	const election = new LeaseElection({
		client,
		lease: { namespace: 'demo', name: 'operator' },
		identity,
		log: createSilentLogger(),
		timing,
		onAcquired: () => tell('leads'),
		onLost: () => tell('lost'),
	});
	t.after(async () => {
		await election.close();
		await client.close();
	});
	return {
		election,
		told,
		cutOff: () => {
			reachable = false;
		},
	};
}

function holderOf(api: ApiServer): unknown {
	return pick(api.get(PATH, 'operator'), 'spec', 'holderIdentity');
}

test('one of two leads; an orderly end hands over at once, with the number of transitions', async (t) => {
	const api = await ApiServer.start(t);
	const first = candidate(t, api, 'first', PATIENT);
	const second = candidate(t, api, 'second', PATIENT);
	first.election.start();
	await waitFor('the first to lead', () => first.election.leads);
	second.election.start();
	const renewals = (): number => api.requests.filter((request) => request.startsWith('PUT')).length;
	const before = renewals();
	await waitFor('several renewals', () => renewals() > before + 5);
	assert.deepEqual([first.told, second.told], [['leads'], []]);

	await first.election.close();
	await waitFor('the second to lead', () => second.election.leads);
	assert.deepEqual([first.told, second.told], [['leads'], ['leads']]);
	assert.equal(holderOf(api), 'second');
	assert.equal(pick(api.get(PATH, 'operator'), 'spec', 'leaseTransitions'), 1);
});

test('a leader that is cut off gives up before another takes over', async (t) => {
	const api = await ApiServer.start(t);
	const order: string[] = [];
	const first = candidate(t, api, 'first', BRISK, order);
	const second = candidate(t, api, 'second', BRISK, order);
	first.election.start();
	await waitFor('the first to lead', () => first.election.leads);
	second.election.start();
	first.cutOff();
	await waitFor('the second to lead', () => second.election.leads);
	assert.deepEqual(order, ['first leads', 'first lost', 'second leads']);
});

test('an API server that hangs does not keep a leader in the belief that it leads', async (t) => {
	const api = await ApiServer.start(t);
	const only = candidate(t, api, 'only', BRISK);
	only.election.start();
	await waitFor('it to lead', () => only.election.leads);
	const hang = (_req: IncomingMessage, _res: ServerResponse): boolean => true;
	api.faults.push(...Array.from({ length: 1000 }, () => hang));
	await waitFor('it to give up', () => only.told.includes('lost'));
});
