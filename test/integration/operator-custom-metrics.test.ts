/** `custom.metrics.k8s.io` over real TLS: who is let in, what a broken pod costs, restarts, and authorities that change. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createSilentLogger } from '../../src/base/log.ts';
import { type KubeObject, pickText, RESOURCES, type Resource } from '../../src/kube/object.ts';
import { CustomMetricsApi } from '../../src/operator/metrics-api/api.ts';
import { Authorizer } from '../../src/operator/metrics-api/authorization.ts';
import { PodReader } from '../../src/operator/metrics-api/pod-reader.ts';
import { CustomMetricsServer } from '../../src/operator/metrics-api/server.ts';
import { CertificateStore } from '../../src/operator/metrics-api/serving-certificate.ts';
import { FakeKube } from '../support/fake-kube.ts';
import { waitFor } from '../support/wait.ts';

const SERVICE = { namespace: 'system', name: 'op-metrics' };
const HOST = 'op-metrics.system.svc';
const API_SERVICE = { namespace: '', name: 'v1beta2.custom.metrics.k8s.io' };
const TRUST = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
const SECRET = { namespace: 'system', name: 'op-metrics-tls' };
const ROOT = '/apis/custom.metrics.k8s.io/v1beta2';
const CONNECTIONS = `${ROOT}/namespaces/demo/pods/*/socketfleet_connections`;
const PAGE = 'socketfleet_connections{transport="websocket"} 41\nsocketfleet_connections{transport="polling"} 1\n';

interface Identity {
	readonly key: string;
	readonly cert: string;
}

/** Certificates as a cluster's own tools make them. */
class Authority {
	readonly #dir: string;
	readonly pem: string;

	constructor(t: TestContext) {
		this.#dir = mkdtempSync(join(tmpdir(), 'sf-front-proxy-'));
		t.after(() => rmSync(this.#dir, { recursive: true, force: true }));
		this.pem = this.#make('ca', ['-addext', 'keyUsage=keyCertSign']).cert;
	}

	issue(commonName: string): Identity {
		const ca = ['-CA', join(this.#dir, 'ca.crt'), '-CAkey', join(this.#dir, 'ca.key')];
		return this.#make(commonName, [...ca, '-addext', 'basicConstraints=CA:FALSE', '-addext', 'extendedKeyUsage=clientAuth']);
	}

	#make(name: string, more: readonly string[]): Identity {
		const [key, cert] = [join(this.#dir, `${name}.key`), join(this.#dir, `${name}.crt`)];
		const files = ['-keyout', key, '-out', cert, '-subj', `/CN=${name}`];
		const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
		execFileSync('openssl', ['req', '-x509', ...curve, ...files, ...more], { stdio: 'pipe' });
		return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
	}
}

/** Says yes to reviews of the autoscaler, and no to all others. */
class Cluster extends FakeKube {
	override create(resource: Resource, object: KubeObject): Promise<KubeObject> {
		if (resource.kind !== 'SubjectAccessReview') {
			return super.create(resource, object);
		}
		return Promise.resolve({ ...object, status: { allowed: pickText(object, 'spec', 'user') === 'autoscaler' } });
	}

	trust(authority: Authority): void {
		const data = {
			'requestheader-client-ca-file': authority.pem,
			'requestheader-allowed-names': '["front-proxy-client"]',
			'requestheader-username-headers': '["X-Remote-User"]',
			'requestheader-group-headers': '["X-Remote-Group"]',
			'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
		};
		this.seed(RESOURCES.ConfigMap, { metadata: TRUST, data });
	}

	async caBundle(): Promise<string> {
		const apiService = await this.get(RESOURCES.APIService, API_SERVICE);
		return Buffer.from(pickText(apiService, 'spec', 'caBundle'), 'base64').toString();
	}
}

function createCluster(authority: Authority): Cluster {
	const kube = new Cluster();
	kube.trust(authority);
	kube.seed(RESOURCES.Secret, { metadata: SECRET });
	kube.seed(RESOURCES.APIService, { metadata: API_SERVICE, spec: { service: SERVICE } });
	return kube;
}

interface Running {
	readonly server: CustomMetricsServer;
	readonly port: number;
	readonly statuses: string[];
}

const POD_NAMES = ['busy', 'hangs', 'refuses'];

async function start(t: TestContext, kube: Cluster): Promise<Running> {
	const log = createSilentLogger();
	const metrics = async (name: string): Promise<string> => {
		switch (name) {
			case 'busy':
				return PAGE;
			case 'hangs':
				return new Promise(() => undefined);
			default:
				throw new Error('connection refused');
		}
	};
	const reader = new PodReader({ client: kube, podAdmin: { metrics: ({ name }) => metrics(name) }, log });
	const pods = POD_NAMES.map((name) => ({
		apiVersion: 'v1',
		kind: 'Pod',
		metadata: { name, namespace: 'demo', uid: name, labels: { name } },
		status: { podIP: '10.0.0.1' },
	}));
	const podsIn = (namespace: string): readonly KubeObject[] => (namespace === 'demo' ? pods : []);
	const statuses: string[] = [];
	const server = new CustomMetricsServer({
		host: '127.0.0.1',
		port: 0,
		api: new CustomMetricsApi({ authorizer: new Authorizer({ client: kube }), reader, podsIn, log }),
		client: kube,
		certificates: new CertificateStore({ client: kube, service: SERVICE }),
		metrics: { inc: (_name, labels) => statuses.push(Object.values(labels).join()) },
		log,
		refreshMs: 100,
	});
	t.after(() => server.close());
	return { server, port: await server.start(), statuses };
}

async function startReady(t: TestContext, kube: Cluster): Promise<Running> {
	const running = await start(t, kube);
	await waitFor('the API to serve', () => running.server.isReady);
	return running;
}

interface Reply {
	readonly code: number;
	readonly body: {
		readonly kind?: string;
		readonly items?: readonly { readonly value: string; readonly describedObject: { name: string } }[];
	};
}

/** As the aggregator asks: it trusts the bundle, and names a user. */
async function ask(
	kube: Cluster,
	port: number,
	path: string,
	identity: Partial<Identity> & { readonly agent?: Agent } = {},
	user = 'autoscaler',
): Promise<Reply> {
	const ca = await kube.caBundle();
	return new Promise((resolve, reject) => {
		const options = { host: '127.0.0.1', port, path, servername: HOST, ca, agent: false, headers: { 'X-Remote-User': user }, ...identity };
		const req = request(options, (res) => {
			let text = '';
			res.setEncoding('utf8').on('data', (chunk: string) => {
				text += chunk;
			});
			res.on('end', () => resolve({ code: res.statusCode ?? 0, body: JSON.parse(text) as Reply['body'] }));
		});
		req.once('error', reject).end();
	});
}

test('the front proxy is let in, in the name of a user who may; nobody else is', async (t) => {
	const authority = new Authority(t);
	const kube = createCluster(authority);
	const { port, statuses } = await startReady(t, kube);
	const proxy = authority.issue('front-proxy-client');
	const busy = `${CONNECTIONS}?labelSelector=name%3Dbusy`;

	const discovery = await ask(kube, port, ROOT, proxy, 'system:kube-aggregator');
	assert.deepEqual([discovery.code, discovery.body.kind], [200, 'APIResourceList']);
	const values = await ask(kube, port, busy, proxy);
	assert.deepEqual([values.code, values.body.items?.[0]?.value], [200, '42']);
	assert.equal((await ask(kube, port, busy, proxy, 'mallory')).code, 403);
	assert.equal((await ask(kube, port, `${ROOT}/namespaces/demo/pods/*/nothing`, proxy)).code, 404);
	assert.equal((await ask(kube, port, '/livez')).code, 200);
	assert.deepEqual(statuses, ['200', '200', '403', '404', '200']);

	const strangers = {
		none: {},
		'another name': authority.issue('admin'),
		'another authority': new Authority(t).issue('front-proxy-client'),
	};
	for (const [who, identity] of Object.entries(strangers)) {
		const reply = await ask(kube, port, busy, identity);
		assert.deepEqual([reply.code, reply.body.kind], [401, 'Status'], who);
	}
	await assert.rejects(ask(kube, port, busy, { ...proxy, ...{ servername: 'other.system.svc' } }), /altnames/i);
});

test('pods that hang or refuse cost their own values, and the answer comes', async (t) => {
	const authority = new Authority(t);
	const kube = createCluster(authority);
	const { port } = await startReady(t, kube);
	const { code, body } = await ask(kube, port, CONNECTIONS, authority.issue('front-proxy-client'));
	assert.equal(code, 200);
	assert.deepEqual(
		body.items?.map(({ describedObject: { name }, value }) => `${name} ${value}`),
		['busy 42'],
	);
});

test('two operators serve with one certificate, and one that comes later with the same', async (t) => {
	const authority = new Authority(t);
	const kube = createCluster(authority);
	const proxy = authority.issue('front-proxy-client');
	const [one, two] = await Promise.all([startReady(t, kube), startReady(t, kube)]);
	const bundle = await kube.caBundle();
	for (const { port } of [one, two]) {
		assert.equal((await ask(kube, port, ROOT, proxy)).code, 200);
	}
	await Promise.all([one.server.close(), two.server.close()]);
	const third = await startReady(t, kube);
	assert.equal(await kube.caBundle(), bundle);
	assert.equal((await ask(kube, third.port, ROOT, proxy)).code, 200);
});

test('it serves as soon as what it needs is there, and follows a front proxy that changes', async (t) => {
	const authority = new Authority(t);
	const kube = createCluster(authority);
	kube.drop(RESOURCES.Secret, SECRET);
	const { server, port } = await start(t, kube);
	await assert.rejects(ask(kube, port, '/livez'), 'no certificate yet');
	assert.equal(server.isReady, false);
	kube.seed(RESOURCES.Secret, { metadata: SECRET });
	await waitFor('the API to serve', () => server.isReady);
	// It keeps its connection, as the aggregator does.
	const agent = new Agent({ keepAlive: true, maxSockets: 1 });
	t.after(() => agent.destroy());
	const old = { ...authority.issue('front-proxy-client'), agent };
	assert.equal((await ask(kube, port, ROOT, old)).code, 200);

	const next = new Authority(t);
	kube.trust(next);
	const renewed = next.issue('front-proxy-client');
	await waitFor('the new proxy to be let in', async () => (await ask(kube, port, ROOT, renewed)).code === 200);
	assert.equal((await ask(kube, port, ROOT, old)).code, 401);
});
