/**
 * A Socket.IO server in a process of its own, with our adapter or the official one as it comes; does what its parent tells it.
 * Run with the arguments as JSON: see NodeSpec.
 */
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createAdapter } from '@socket.io/redis-streams-adapter';
import { Redis } from 'ioredis';
import { type Namespace, Server } from 'socket.io';
import { buildRecoveryOptions, createFleetAdapter } from '../../../src/adapter/create.ts';
import { missingOf, PartialAnswerError } from '../../../src/adapter/servers/partial-answer.ts';
import { messageOf } from '../../../src/base/errors.ts';
import { createLogger } from '../../../src/base/log.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { createBus } from '../../../src/ipc/bus.ts';
import { createMetrics, type Metrics } from '../../../src/metrics/registry.ts';
import { createRedis } from '../../../src/redis/client.ts';
import { isRefused, ODD_VALUES, type OddValue, type OddWay } from '../../support/odd-values.ts';
import type { NodeSpec, Order, Reply } from './protocol.ts';

/** Made when their first client comes, closed when their last one leaves. */
const DYNAMIC = /^\/dynamic-\d+$/;

const spec = JSON.parse(process.argv[2] ?? '{}') as NodeSpec;
const warnings: string[] = [];
process.on('warning', ({ name }) => warnings.push(name));

const metrics = createMetrics();
const { io, reasons } = spec.kind === 'ours' ? await createOurs(metrics) : createOfficial();

for (const name of ['/', ...(spec.namespaces ?? []), DYNAMIC]) {
	const nsp = io.of(name);
	nsp.use((socket, next) => {
		const { delayMs, token } = socket.handshake.auth as { delayMs?: number; token?: string };
		setTimeout(() => next(token === 'expired' ? new Error('expired') : undefined), delayMs ?? 0);
	});
	nsp.on('connection', (socket) => {
		const { rooms = [] } = socket.handshake.auth as { rooms?: string[] };
		if (!socket.recovered) {
			void socket.join(rooms);
		}
		socket.on('odd-data', (answer: () => void) => {
			socket.data.kept = 'kept';
			// What applications do: a timer, a function and a cycle kept where they are at hand.
			socket.data.timer = setTimeout(() => undefined, 600_000).unref();
			socket.data.self = socket.data;
			socket.data.big = 1n;
			socket.data.call = () => undefined;
			answer();
		});
		socket.on('odd-answer', (name: OddValue, answer: (value: unknown) => void) => {
			try {
				answer(ODD_VALUES[name]());
			} catch {
				answer('refused');
			}
		});
		socket.on('data', (answer: (data: object) => void) => answer({ kept: socket.data.kept }));
		socket.on('rooms', (answer: (rooms: string[]) => void) => answer([...socket.rooms]));
	});
}

io.on('new_namespace', hearQuestions);
for (const name of ['/', ...(spec.namespaces ?? [])]) {
	hearQuestions(io.of(name));
}

/** From the other servers. */
function hearQuestions(nsp: Pick<Namespace, 'on'>): void {
	nsp.on('question', (answer: (pod: string) => void) => answer(spec.pod ?? ''));
	nsp.on('odd-question', (name: OddValue, answer: (value: unknown) => void) => answer(ODD_VALUES[name]()));
	// Heard, and never answered.
	nsp.on('unanswered', () => undefined);
}

const http = createServer();
io.attach(http);
http.listen(0, '127.0.0.1', () => {
	const address = http.address();
	process.send?.({ url: typeof address === 'object' && address ? `http://127.0.0.1:${address.port}` : '' });
});

process.on('message', (order: Order) => {
	void carryOut(order).then(
		(value) => process.send?.({ id: order.id, value } satisfies Reply),
		(error: unknown) => process.send?.({ id: order.id, error: messageOf(error) } satisfies Reply),
	);
});
process.on('disconnect', () => process.exit(0));

async function carryOut({ what, nsp = '/', rooms = [], args = [] }: Order): Promise<unknown> {
	const target = rooms.length === 0 ? io.of(nsp) : io.of(nsp).to([...rooms]);
	switch (what) {
		case 'ping':
			return 'pong';
		case 'emit':
			target.emit(String(args[0]), ...args.slice(1));
			return undefined;
		case 'emit-volatile':
			target.volatile.emit(String(args[0]), ...args.slice(1));
			return undefined;
		case 'emit-many':
			// Numbered, a few in each turn of the event loop.
			for (let i = 0; i < Number(args[1]); i++) {
				target.emit(String(args[0]), args[2], i);
				if (i % 5 === 4) {
					await new Promise(setImmediate);
				}
			}
			return undefined;
		case 'emit-local':
			for (let i = 0; i < Number(args[1]); i++) {
				io.of(nsp).local.emit(String(args[0]), 'x'.repeat(Number(args[2])));
			}
			return undefined;
		case 'kick':
			io.of(nsp)
				.in([...rooms])
				.disconnectSockets(true);
			return undefined;
		case 'leave':
			io.of(nsp)
				.in([...rooms])
				.socketsLeave(String(args[0]));
			return undefined;
		case 'fetch': {
			const startedAt = performance.now();
			const sockets = await target.fetchSockets();
			return {
				ids: sockets.map(({ id }) => id),
				missing: missingOf(sockets),
				kept: sockets.map(({ data }) => data.kept),
				ms: performance.now() - startedAt,
			};
		}
		case 'ask': {
			const [question = 'question'] = args as string[];
			return ask(io.of(nsp), question);
		}
		case 'odd':
			return isRefused(io.of(nsp), args[0] as OddWay, args[1] as OddValue);
		case 'ask-odd':
			return ask(io.of(nsp), 'odd-question', args[0]);
		case 'emit-with-ack': {
			const audience = args[2] === 'local' ? target.local : target;
			const startedAt = performance.now();
			return new Promise((resolve) => {
				audience
					.timeout(Number(args[1]))
					.emit(String(args[0]), (error: Error | null, answers: unknown[]) =>
						resolve({ answers, failed: error !== null, ms: performance.now() - startedAt }),
					);
			});
		}
		case 'servers':
			return io.of(nsp).adapter.serverCount();
		case 'metric':
			return readMetric(String(args[0]), args[1] as Record<string, string> | undefined);
		case 'cut':
			// In a step of its own, as it happens to a server: what goes wrong there is nobody's to catch.
			setImmediate(() => {
				for (const socket of io.of(nsp).sockets.values()) {
					socket.conn.close();
				}
			});
			return undefined;
		case 'reasons':
			return reasons();
		case 'state':
			return { warnings, cpuMs: process.cpuUsage().user / 1000, sockets: io.of(nsp).sockets.size };
		case 'memory':
			collectGarbage();
			return process.memoryUsage().rss;
	}
}

function ask(nsp: Namespace, question: string, ...args: unknown[]): Promise<unknown> {
	const startedAt = performance.now();
	return new Promise((resolve) => {
		nsp.serverSideEmit(question, ...args, (error: Error | null, answers: string[]) =>
			resolve({ answers, missing: error instanceof PartialAnswerError ? error.missing : [], ms: performance.now() - startedAt }),
		);
	});
}

/** What nothing holds any more is not in the figures that follow. */
function collectGarbage(): void {
	setFlagsFromString('--expose-gc');
	(runInNewContext('gc') as () => void)();
}

/** Sum over all that have those labels. */
async function readMetric(name: string, wanted: Readonly<Record<string, string>> = {}): Promise<number> {
	const { own } = await metrics.snapshot();
	const samples = own.find((candidate) => candidate.name === name)?.samples ?? [];
	return samples
		.filter(({ labels }) => Object.entries(wanted).every(([label, value]) => labels[label] === value))
		.reduce((sum, { value }) => sum + value, 0);
}

async function createOurs(own: Metrics): Promise<{ io: Server; reasons: () => readonly string[] }> {
	const { config } = loadConfig({
		env: {},
		flags: { redisUrl: spec.redisUrl, fleetKey: 'chaos-key-0123456789', ...spec.options },
		cwd: tmpdir(),
	});
	const log = await createLogger({ level: 'warn', format: 'json' });
	const bus = createBus({ runDir: spec.runDir, slot: spec.slot ?? 0, slots: spec.slots ?? 1, log });
	await bus.start();
	const redis = config.redisUrl === '' ? undefined : createRedis(config, log, own);
	const owner = { pod: spec.pod ?? 'AAAA', slot: spec.slot ?? 0 };
	const fleet = await createFleetAdapter({ config, redis, bus, metrics: own, log, owner });
	const server = new Server({
		adapter: fleet.adapter,
		...buildRecoveryOptions(config),
		pingInterval: config.pingIntervalMs,
		pingTimeout: config.pingTimeoutMs,
		cleanupEmptyChildNamespaces: true,
	});
	fleet.attach(server);
	// It has no directory, which would tell it.
	fleet.setDelivery(config.delivery === 'follow' ? 'follow' : 'routed', 0);
	await fleet.start();
	return { io: server, reasons: () => fleet.reasons() };
}

function createOfficial(): { io: Server; reasons: () => readonly string[] } {
	const redis = new Redis(spec.redisUrl, { replyMapping: 'legacy', ...spec.officialRedis });
	redis.on('error', () => undefined);
	const prefix = 'socketfleet:default';
	const server = new Server({
		adapter: createAdapter(redis, {
			streamName: `${prefix}:stream`,
			channelPrefix: `${prefix}:channel`,
			blockTimeInMs: 1000,
			...spec.official,
		}),
		connectionStateRecovery: { maxDisconnectionDuration: 120_000, skipMiddlewares: false },
		pingInterval: Number(spec.options?.pingIntervalMs ?? 25_000),
		pingTimeout: Number(spec.options?.pingTimeoutMs ?? 20_000),
		cleanupEmptyChildNamespaces: true,
	});
	return { io: server, reasons: () => [] };
}
