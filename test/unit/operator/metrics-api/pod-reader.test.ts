import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSilentLogger } from '../../../../src/base/log.ts';
import type { KubeObject } from '../../../../src/kube/object.ts';
import { Authorizer } from '../../../../src/operator/metrics-api/authorization.ts';
import { BriefCache } from '../../../../src/operator/metrics-api/brief-cache.ts';
import { readPage } from '../../../../src/operator/metrics-api/pod-metrics.ts';
import { PodReader } from '../../../../src/operator/metrics-api/pod-reader.ts';
import type { ValuesRequest } from '../../../../src/operator/metrics-api/request.ts';

const PAGE = `# HELP x
socketfleet_connections{transport="polling"} 2
socketfleet_connections{transport="websocket"} 40
socketfleet_event_loop_utilization_ratio{worker="primary"} 0.9
socketfleet_event_loop_utilization_ratio{worker="0"} 0.2
socketfleet_event_loop_utilization_ratio{worker="1"} 0.4
connections 7
`;
const TOKEN_ENV = { name: 'SOCKETFLEET_ADMIN_TOKEN', valueFrom: { secretKeyRef: { name: 'admin', key: 'token' } } };

function pod(name: string, { ip = '10.0.0.1', env = [] as object[], deletionTimestamp = '' } = {}): KubeObject {
	return {
		apiVersion: 'v1',
		kind: 'Pod',
		metadata: { name, namespace: 'demo', uid: `uid-${name}`, ...(deletionTimestamp === '' ? {} : { deletionTimestamp }) },
		spec: { containers: [{ name: 'sidecar' }, { name: 'fleet', env }] },
		status: { podIP: ip },
	};
}

test('a page: connections added up, the busiest worker without the primary, nothing where nobody answered', () => {
	assert.deepEqual(readPage(PAGE), { socketfleet_connections: 42, socketfleet_event_loop_utilization_ratio: 0.4 });
	assert.deepEqual(readPage('socketfleet_event_loop_utilization_ratio{worker="primary"} 1\n'), {
		socketfleet_connections: undefined,
		socketfleet_event_loop_utilization_ratio: undefined,
	});
	assert.equal(readPage('socketfleet_connections{transport="polling"} 0\n').socketfleet_connections, 0);
});

test('a pod is read once in five seconds, with its own token; a failure counts as a reading', async () => {
	let now = 1000;
	const asked: string[] = [];
	let secrets = 0;
	const reader = new PodReader({
		client: {
			get: (_resource, ref) => {
				secrets++;
				assert.deepEqual(ref, { namespace: 'demo', name: 'admin' });
				return Promise.resolve({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'admin' }, data: { token: btoa('let-me-in') } });
			},
		},
		podAdmin: {
			metrics: ({ name }, token) => {
				asked.push(`${name} ${token}`);
				return name === 'broken' ? Promise.reject(new Error('refused')) : Promise.resolve(PAGE);
			},
		},
		log: createSilentLogger(),
		now: () => now,
	});
	const guarded = pod('guarded', { env: [TOKEN_ENV] });
	const [one, two] = await Promise.all([reader.read(guarded), reader.read(guarded)]);
	assert.equal(one, two);
	assert.deepEqual(one, {
		reading: { socketfleet_connections: 42, socketfleet_event_loop_utilization_ratio: 0.4 },
		readAt: new Date(1000),
	});
	assert.equal(await reader.read(pod('broken')), undefined);
	assert.equal(await reader.read(pod('broken')), undefined);
	assert.equal(await reader.read(pod('young', { ip: '' })), undefined);
	assert.equal(await reader.read(pod('leaving', { deletionTimestamp: '2026-01-01T00:00:00Z' })), undefined);
	assert.deepEqual(asked, ['guarded let-me-in', 'broken ']);
	now += 5000;
	await Promise.all([reader.read(guarded), reader.read(pod('broken'))]);
	assert.deepEqual(asked.slice(2).sort(), ['broken ', 'guarded let-me-in']);
	assert.equal(secrets, 1, 'the token is kept longer than a reading');
});

test('a pod that hangs costs its deadline, not more', async (t) => {
	t.mock.timers.enable({ apis: ['setTimeout'] });
	const reader = new PodReader({
		client: { get: () => new Promise(() => undefined) },
		podAdmin: { metrics: () => new Promise(() => undefined) },
		log: createSilentLogger(),
	});
	const readings = [reader.read(pod('hangs')), reader.read(pod('secret', { env: [TOKEN_ENV] }))];
	t.mock.timers.tick(3000);
	assert.deepEqual(await Promise.all(readings), [undefined, undefined]);
});

test('a review is asked once in ten seconds for the same question; masters need none', async () => {
	let now = 0;
	const specs: unknown[] = [];
	const authorizer = new Authorizer({
		client: {
			create: (resource, object) => {
				assert.equal(resource.kind, 'SubjectAccessReview');
				specs.push(object.spec);
				return Promise.resolve({ ...object, status: { allowed: specs.length === 1 } });
			},
		},
		now: () => now,
	});
	const always = (): boolean => true;
	const request: ValuesRequest = {
		kind: 'values',
		namespace: 'demo',
		pod: '*',
		metric: 'm',
		selects: always,
		selectsSeries: always,
		selector: '',
	};
	const user = { name: 'alice', groups: ['dev'], extra: { scope: ['x'] } };
	assert.equal(await authorizer.allows(user, request), true);
	assert.equal(await authorizer.allows(user, request), true);
	assert.deepEqual(specs, [
		{
			user: 'alice',
			groups: ['dev'],
			extra: { scope: ['x'] },
			resourceAttributes: {
				namespace: 'demo',
				verb: 'get',
				group: 'custom.metrics.k8s.io',
				version: 'v1beta2',
				resource: 'pods',
				subresource: 'm',
				name: '*',
			},
		},
	]);
	assert.equal(await authorizer.allows({ ...user, name: 'bob' }, request), false);
	now += 10_000;
	assert.equal(await authorizer.allows(user, request), false);
	assert.equal(await authorizer.allows({ ...user, groups: ['system:masters'] }, request), true);
	assert.equal(specs.length, 3);
});

test('a brief cache holds what is good now, and no more keys than that', () => {
	let now = 0;
	const cache = new BriefCache<number>(10, () => now);
	for (let key = 0; key < 1000; key++) {
		now++;
		cache.set(String(key), key);
	}
	assert.equal(cache.size, 10);
	assert.deepEqual([cache.get('999'), cache.get('989')], [999, undefined]);
	// Written again it is good for the whole time, and what was written before it ends.
	cache.set('991', -1);
	now += 9;
	cache.set('last', 0);
	assert.deepEqual([cache.get('991'), cache.size], [-1, 3]);
});
