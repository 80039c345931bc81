import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { RESOURCES } from '../../../../src/kube/object.ts';
import { createSelfSigned } from '../../../../src/operator/metrics-api/self-signed.ts';
import { CertificateStore } from '../../../../src/operator/metrics-api/serving-certificate.ts';
import { FakeKube } from '../../../support/fake-kube.ts';

const DAY_MS = 86_400_000;
const SERVICE = { namespace: 'system', name: 'op-metrics' };
const API_SERVICE = { namespace: '', name: 'v1beta2.custom.metrics.k8s.io' };
const SECRET = { namespace: 'system', name: 'op-metrics-tls' };

function release(service = SERVICE): FakeKube {
	const kube = new FakeKube();
	kube.seed(RESOURCES.Secret, { metadata: SECRET, type: 'kubernetes.io/tls' });
	kube.seed(RESOURCES.APIService, { metadata: API_SERVICE, spec: { service, groupPriorityMinimum: 100 } });
	return kube;
}

async function bundleOf(kube: FakeKube): Promise<string> {
	const { spec } = (await kube.get(RESOURCES.APIService, API_SERVICE)) as { spec?: { caBundle?: string } };
	return atob(spec?.caBundle ?? '');
}

test('a certificate that node reads, for its names and its time, signed with its own key', async () => {
	const from = new Date('2026-01-02T03:04:05Z');
	for (const until of [new Date('2027-01-02T03:04:05Z'), new Date('2051-06-07T08:09:10Z')]) {
		const { key, certificate } = await createSelfSigned({
			dnsNames: ['a.b.svc', `${'x'.repeat(60)}.svc`],
			notBefore: from,
			notAfter: until,
		});
		const read = new X509Certificate(certificate);
		assert.equal(read.subject, 'CN=a.b.svc');
		assert.equal(read.subjectAltName, `DNS:a.b.svc, DNS:${'x'.repeat(60)}.svc`);
		assert.deepEqual([read.validFromDate, read.validToDate], [from, until]);
		assert.equal(read.ca, false);
		assert.deepEqual(read.keyUsage, ['1.3.6.1.5.5.7.3.1']);
		assert.ok(read.verify(read.publicKey));
		assert.ok(read.checkIssued(read));
		assert.ok(read.checkPrivateKey(createPrivateKey(key)));
		assert.equal(read.checkHost('a.b.svc'), 'a.b.svc');
		assert.equal(read.checkHost('c.b.svc'), undefined);
	}
});

test('operators of one release come to one certificate, and tell the API server', async () => {
	const kube = release();
	const stores = [1, 2].map(() => new CertificateStore({ client: kube, service: SERVICE }));
	const results = await Promise.allSettled(stores.map((store) => store.refresh()));
	assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected'], 'one of them was slower');
	const [first, second] = await Promise.all(stores.map((store) => store.refresh()));
	assert.deepEqual(first, second);
	assert.equal(new X509Certificate(first?.certificate ?? '').checkHost('op-metrics.system.svc'), 'op-metrics.system.svc');
	assert.equal(await bundleOf(kube), first?.certificate);
	const writes = kube.writes.length;
	await stores[0]?.refresh();
	assert.equal(kube.writes.length, writes, 'nothing to do, nothing written');
});

test('it is renewed a month before its end, with the old one known until the next time', async () => {
	const kube = release();
	let now = new Date('2026-01-01T00:00:00Z');
	const store = new CertificateStore({ client: kube, service: SERVICE, now: () => now });
	const first = await store.refresh();
	now = new Date(now.getTime() + 334 * DAY_MS);
	assert.deepEqual(await store.refresh(), first);
	now = new Date(now.getTime() + 2 * DAY_MS);
	const second = await store.refresh();
	assert.notEqual(second.certificate, first.certificate);
	assert.equal(await bundleOf(kube), `${second.certificate}${first.certificate}`);
	const secret = await kube.get(RESOURCES.Secret, SECRET);
	assert.equal(secret?.type, 'kubernetes.io/tls');
});

test("another's APIService is left alone, and a bundle that was lost is put back", async () => {
	const foreign = release({ namespace: 'monitoring', name: 'prometheus-adapter' });
	await assert.rejects(new CertificateStore({ client: foreign, service: SERVICE }).refresh(), /leads to monitoring\/prometheus-adapter/);
	assert.equal(await bundleOf(foreign), '');
	const kube = release();
	const store = new CertificateStore({ client: kube, service: SERVICE });
	const { certificate } = await store.refresh();
	await kube.patch(RESOURCES.APIService, API_SERVICE, { spec: { caBundle: null } });
	await store.refresh();
	assert.equal(await bundleOf(kube), certificate);
	await assert.rejects(new CertificateStore({ client: new FakeKube(), service: SERVICE }).refresh(), /no Secret op-metrics-tls: upgrade/);
});
