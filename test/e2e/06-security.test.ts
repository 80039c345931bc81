import assert from 'node:assert/strict';
import { CommandFailed, type Kube } from '../support/kube.ts';
import { pick } from '../support/kube-chart.ts';
import { waitFor } from '../support/wait.ts';
import { clusterTest } from './cluster.ts';
import { fleetMetric, podsOf, RELEASE, STATE_TIMEOUT, useFleet } from './fleet.ts';

clusterTest('restricted namespace, no token, read-only root, numeric user', async (_t, cluster) => {
	// The namespace enforces restricted Pod Security: that the pods run at all is the first half.
	const kube = await useFleet(cluster);
	await assert.rejects(kube.kubectl(['run', 'root', '--image=redis:8', '--restart=Never']), /violates PodSecurity "restricted/);
	const [pod] = await podsOf(kube);
	const inPod = (script: string): Promise<string> => kube.exec(pod?.metadata.name ?? '', ['node', '-e', script]);
	assert.equal((await inPod('console.log(process.getuid(), process.getgid())')).trim(), '1000 1000');
	assert.equal((await inPod(`console.log(fs.existsSync('/var/run/secrets/kubernetes.io/serviceaccount/token'))`)).trim(), 'false');
	for (const path of ['/opt/socketfleet/x', '/app/x', '/x']) {
		await assert.rejects(inPod(`fs.writeFileSync('${path}', '')`), (error) => error instanceof CommandFailed && /EROFS/.test(error.output));
	}
	await inPod(`fs.writeFileSync('/tmp/x', '')`);
});

clusterTest('the internal port refuses what has no key', async (_t, cluster) => {
	const kube = await useFleet(cluster);
	const [from, to] = await podsOf(kube);
	const refused = (): Promise<number> => fleetMetric(kube, 'socketfleet_rejected_connections_total', { reason: 'bad_preamble' });
	const before = await refused();
	const greetings = ['GET /socket.io/?EIO=4&transport=polling HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n', 'SOCKETFLEET/1 0 1 aa bb\\r\\n'];
	for (const greeting of greetings) {
		assert.doesNotMatch(await answerOf(kube, from?.metadata.name ?? '', to?.status.podIP ?? '', greeting), /HTTP\/1\.1 (200|101)/);
	}
	await waitFor('both refusals to be counted', async () => (await refused()) >= before + greetings.length, STATE_TIMEOUT);
});

/** What the other pod's internal port answers, until it closes. */
function answerOf(kube: Kube, pod: string, host: string, greeting: string): Promise<string> {
	const script = `const s = net.connect(9465, '${host}', () => s.write('${greeting}'));
		s.on('data', (d) => process.stdout.write(d)); s.on('error', () => {}); s.on('close', () => process.exit(0));`;
	return kube.exec(pod, ['node', '-e', script]);
}

clusterTest('NetworkPolicies are in the cluster as intended', async (t, cluster) => {
	// kind's network does not enforce them: what is checked is the object.
	t.diagnostic('NetworkPolicies are checked as objects: the network of this cluster enforces none');
	const kube = await useFleet(cluster);
	const policy = await kube.json<object>(['get', 'networkpolicy', RELEASE]);
	const ports = (pick(policy, 'spec.ingress') as { ports: { port: string }[] }[]).map((rule) => rule.ports[0]?.port);
	assert.deepEqual(ports, ['http', 'admin', 'internal']);
	assert.deepEqual(pick(policy, 'spec.ingress.2.from.0.podSelector'), pick(policy, 'spec.podSelector'));
	await kube.kubectl(['get', 'networkpolicy', `${RELEASE}-redis`]);
});
