// `helm test`: opens real sessions through the Service, each request on a connection of its own, until they are held by two pods;
// then emits from here through Redis and waits until a session of each pod has the message. Speaks Engine.IO 4 by hand, since the
// image carries no client.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { promisify } from 'node:util';

const { TEST_URL, TEST_PATH, TEST_TRANSPORTS, TEST_NAMESPACE, TEST_AUTH, TEST_PODS, SOCKETFLEET_REDIS_URL } = process.env;
const DEADLINE_MS = 90_000;
const EVENT = 'helm-test';
const MAX_SESSIONS = 60;
/** A session id starts with the short id of its pod. */
const POD_ID_LENGTH = 4;
const endpoint = new URL(`${TEST_PATH}?EIO=4`, TEST_URL);
const prefix = TEST_NAMESPACE === '/' ? '' : `${TEST_NAMESPACE},`;

const deadline = setTimeout(() => fail(`not done after ${DEADLINE_MS / 1000} s: ${doing}`), DEADLINE_MS);
let doing = 'starting';

function fail(sentence) {
	process.stderr.write(`FAILED: ${sentence}\n`);
	process.exit(1);
}

function say(sentence) {
	doing = sentence;
	process.stdout.write(`${sentence}\n`);
}

/** What both transports share: answers pings, waits for the namespace, collects events. */
class Session {
	#events = [];
	#waiting = [];
	#send;
	joined = Promise.withResolvers();

	use(send) {
		this.#send = send;
	}

	receive(packet) {
		if (packet.startsWith('0')) {
			this.engineId = JSON.parse(packet.slice(1)).sid;
			this.pod = this.engineId.slice(0, POD_ID_LENGTH);
			this.#send(`40${prefix}${TEST_AUTH}`);
		} else if (packet === '2') {
			this.#send('3');
		} else if (packet.startsWith(`40${prefix}`)) {
			this.id = JSON.parse(packet.slice(2 + prefix.length)).sid;
			this.joined.resolve(this);
		} else if (packet.startsWith('44')) {
			fail(`the application refused the session: ${packet.slice(2)}. Give what it asks for in tests.auth and tests.namespace.`);
		} else if (packet.startsWith(`42${prefix}`)) {
			this.#events.push(JSON.parse(packet.slice(2 + prefix.length)));
			for (const check of this.#waiting) check();
		}
	}

	event(name, value) {
		return new Promise((resolve) => {
			const check = () => this.#events.some(([event, first]) => event === name && first === value) && resolve(this);
			this.#waiting.push(check);
			check();
		});
	}
}

function openWebSocket() {
	const session = new Session();
	const url = new URL(endpoint);
	url.protocol = 'ws:';
	url.searchParams.set('transport', 'websocket');
	const socket = new WebSocket(url);
	session.use((packet) => socket.send(packet));
	socket.addEventListener('message', (event) => session.receive(String(event.data)));
	socket.addEventListener('error', () => fail(`no WebSocket to ${url.host}`));
	socket.addEventListener('close', () => fail('a WebSocket was closed by the server'));
	return session.joined.promise;
}

function openPolling() {
	const session = new Session();
	session.use((packet) => poll(session, 'POST', packet));
	void readPolls(session);
	return session.joined.promise;
}

async function readPolls(session) {
	for (;;) {
		const packets = await poll(session, 'GET');
		for (const packet of packets.split('\x1e')) session.receive(packet);
	}
}

/** One request on a new connection: the Service may send each to another pod. */
function poll(session, method, body = '') {
	const url = new URL(endpoint);
	url.searchParams.set('transport', 'polling');
	if (session.engineId) url.searchParams.set('sid', session.engineId);
	return new Promise((resolve) => {
		const sent = request(url, { method, agent: false, headers: { 'content-length': Buffer.byteLength(body) } }, async (response) => {
			let text = '';
			for await (const chunk of response) text += chunk;
			if (response.statusCode !== 200) fail(`${method} of a polling session answered ${response.statusCode}: ${text}`);
			resolve(text);
		});
		sent.on('error', (error) => fail(`${method} of a polling session: ${error.message}`));
		sent.end(body);
	});
}

const openers = { polling: openPolling, websocket: openWebSocket };

async function openOnPods(transport, wanted) {
	const perPod = new Map();
	let opened = 0;
	while (perPod.size < wanted && opened < MAX_SESSIONS) {
		const session = await openers[transport]();
		perPod.set(session.pod, session);
		opened++;
	}
	if (perPod.size < wanted) fail(`${opened} sessions over ${transport} came to ${perPod.size} pod(s), not ${wanted}`);
	say(`${transport}: ${opened} sessions, on pods ${[...perPod.keys()].join(' and ')}`);
	return [...perPod.values()];
}

const sessions = [];
for (const transport of TEST_TRANSPORTS.split(',')) {
	sessions.push(...(await openOnPods(transport, Number(TEST_PODS))));
}
if (SOCKETFLEET_REDIS_URL) {
	const value = randomUUID();
	const rooms = sessions.flatMap((session) => ['--room', session.id]);
	say('emitting through Redis');
	await promisify(execFile)('node', ['/opt/socketfleet/dist/cli.js', 'emit', ...rooms, '--namespace', TEST_NAMESPACE, EVENT, value]).catch(
		(error) => fail(`socketfleet emit: ${error.stderr || error.message}`),
	);
	await Promise.all(sessions.map((session) => session.event(EVENT, value)));
	say(`PASSED: ${sessions.length} sessions on ${TEST_PODS} pod(s) have the message`);
} else {
	say(`PASSED: ${sessions.length} sessions opened; without Redis there is one pod and nothing to cross`);
}
clearTimeout(deadline);
process.exit(0);
