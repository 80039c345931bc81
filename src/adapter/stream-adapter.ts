/**
 * The Redis Streams adapter of one worker, put together from parts that exist, in one direction:
 *
 *   position, namespaces -> outbox -> dispatcher -> delivery -> sessions -> recovery -> an official adapter for each namespace
 */
import type { Namespace, Server } from 'socket.io';
import type { Adapter } from 'socket.io-adapter';
import { sleep } from '../base/deadline.ts';
import { Lifecycle } from '../base/lifecycle.ts';
import type { RedisHandle } from '../redis/client.ts';
import { redisKeysOf } from '../redis/keys.ts';
import { persevere } from '../redis/persevere.ts';
import { Subscriptions } from '../redis/subscriptions.ts';
import { readStreamInfo } from '../stream/info.ts';
import { STREAM_START, type StreamOffset } from '../stream/offset.ts';
import { createPublisher, retentionMsOf } from '../stream/publisher.ts';
import { Delivery, type DeliveryMode } from './delivery.ts';
import { type DeliveryGap, Dispatcher } from './dispatch/dispatcher.ts';
import { LocalNamespaces } from './dispatch/namespaces.ts';
import { Outbox } from './dispatch/outbox.ts';
import type { Tick } from './dispatch/pushes.ts';
import { Ticker } from './dispatch/ticker.ts';
import { closePaced, cutConnection, type EngineConnection, silence } from './ending.ts';
import type { FleetAdapter, FleetAdapterDeps } from './fleet-adapter.ts';
import { hardenNamespace } from './namespace.ts';
import { createOfficialFactory, type OfficialAdapter, type RecoverableSocket, requestChannelOf, responseChannelOf } from './official.ts';
import { createStreamPort } from './official-port.ts';
import { Position } from './position.ts';
import { Recovery } from './recovery/restore.ts';
import { RetentionWatch } from './recovery/retention.ts';
import { Acknowledgements } from './servers/acknowledgements.ts';
import { Attendance } from './servers/attendance.ts';
import { type Departure, Members } from './servers/members.ts';
import { createRedisPresence } from './servers/redis-presence.ts';
import { Requests } from './servers/requests.ts';
import { createWorkerId } from './sessions/private-id.ts';
import { Sessions } from './sessions/sessions.ts';
import { createSessionStore } from './sessions/store.ts';
import { Takeover } from './sessions/takeover.ts';
import { SlowConsumers } from './slow-consumers.ts';

const START_TIMEOUT_MS = 5000;

export function createStreamFleet(deps: FleetAdapterDeps, redis: RedisHandle): FleetAdapter {
	return new StreamFleet(deps, redis);
}

class StreamFleet implements FleetAdapter {
	readonly adapter: (nsp: Namespace) => Adapter;
	readonly #deps: FleetAdapterDeps;
	readonly #redis: RedisHandle;
	readonly #keys;
	readonly #stop = new AbortController();
	readonly #parts: Lifecycle;
	readonly #adapters = new Map<string, { adapter: OfficialAdapter; attendance: Attendance }>();
	readonly #position = new Position();
	readonly #namespaces: LocalNamespaces;
	readonly #outbox: Outbox;
	readonly #dispatcher: Dispatcher;
	readonly #ticker: Ticker;
	readonly #delivery: Delivery;
	readonly #subscriptions: Subscriptions;
	readonly #members: Members;
	readonly #sessions: Sessions | undefined;
	readonly #recovery: Recovery | undefined;
	readonly #store;
	readonly #slowConsumers: SlowConsumers;
	readonly #retention: RetentionWatch;
	#epoch: string | undefined;

	constructor(deps: FleetAdapterDeps, redis: RedisHandle) {
		const { config, metrics, log, bus, owner } = deps;
		const worker = createWorkerId();
		const keys = redisKeysOf(config);
		const position = this.#position;
		this.#deps = deps;
		this.#redis = redis;
		this.#keys = keys;
		this.#parts = new Lifecycle(log);
		this.#subscriptions = this.#parts.add('subscriptions', new Subscriptions(redis, log, metrics));
		const namespaces = new LocalNamespaces(metrics, log);
		this.#namespaces = namespaces;
		this.#ticker = new Ticker({ redis, keys, position, retentionMs: retentionMsOf(config), log });
		this.#outbox = this.#parts.add(
			'outbox',
			new Outbox({ position, namespaces, bus, log, onOutside: (nsp, isOutside) => this.#sessions?.noteOutside(nsp, isOutside) }, (events) =>
				createPublisher({ redis, config, metrics, log, events }),
			),
		);
		this.#dispatcher = this.#parts.add(
			'dispatcher',
			new Dispatcher({
				config,
				metrics,
				position,
				namespaces,
				outbox: this.#outbox,
				onGap: (reason, cursor) => this.#onGap(reason, cursor),
			}),
		);
		this.#delivery = this.#parts.add(
			'delivery',
			new Delivery({
				redis,
				stream: keys.stream,
				retentionMs: retentionMsOf(config),
				joinTimeoutMs: config.publishTimeoutMs,
				position,
				dispatcher: this.#dispatcher,
				ticker: this.#ticker,
				metrics,
				log,
				onTick: (tick) => this.#onTick(tick),
			}),
		);
		this.#members = this.#parts.add('membership', new Members({ redis, keys, subscriptions: this.#subscriptions, bus, log, owner }));
		this.#members.onLeft((name, nodes, departure) => this.#onMemberLeft(name, nodes, departure));
		// Pods of the version before may be in the fleet, and their clients come here and go there.
		this.#store = createSessionStore(redis, keys, worker, () => this.#delivery.isRouted);
		if (config.recovery) {
			({ sessions: this.#sessions, recovery: this.#recovery } = this.#createRecovery(worker));
			this.#dispatcher.setBarrier(this.#sessions);
		}
		this.#slowConsumers = this.#parts.add('slow consumers', new SlowConsumers({ maxBufferedBytes: config.maxBufferedBytes, metrics, log }));
		const factory = createOfficialFactory(createStreamPort({ redis, subscriptions: this.#subscriptions, metrics, log }), keys);
		const create = (nsp: Namespace): Adapter => this.#createNamespace(factory(nsp));
		// Socket.IO calls it with `new`, which an arrow function refuses.
		this.adapter = function adapterOf(nsp: Namespace) {
			return create(nsp);
		};
		this.#retention = this.#parts.add(
			'retention',
			new RetentionWatch({
				redis,
				stream: keys.stream,
				config,
				metrics,
				log,
				isResponsible: () => bus.peers().every((slot) => slot > bus.slot),
			}),
		);
	}

	attach(io: Server): void {
		this.#slowConsumers.watch(io);
		const onSocket = (socket: { recovered: boolean; handshake: { auth: Record<string, unknown> } }): void => {
			const { pid, offset } = socket.handshake.auth;
			if (!socket.recovered && typeof pid === 'string' && typeof offset !== 'string') {
				this.#recovery?.onWithoutOffset();
			}
		};
		io.on('connection', onSocket);
		io.on('new_namespace', (nsp) => nsp.on('connection', onSocket));
	}

	async start(): Promise<void> {
		const ready = Promise.all([this.#begin(), this.#subscriptions.whenReady()]);
		const stop = new AbortController();
		await Promise.race([ready, sleep(START_TIMEOUT_MS, stop.signal)]);
		stop.abort();
	}

	reasons(): readonly string[] {
		const waiting = this.#position.cursor === undefined ? 'the stream has not been read yet' : undefined;
		return [this.#redis.problem() ?? waiting, this.#outbox.problem(), this.#delivery.problem(), this.#retention.problem()].filter(
			(reason) => reason !== undefined,
		);
	}

	setDelivery(mode: DeliveryMode, indexedSince: number): void {
		this.#delivery.setMode(mode, indexedSince);
	}

	close(): Promise<void> {
		this.#stop.abort();
		return this.#parts.close();
	}

	#createRecovery(worker: string): { sessions: Sessions; recovery: Recovery } {
		const { config, metrics, log } = this.#deps;
		const redis = this.#redis;
		const keys = this.#keys;
		const sessions = this.#parts.add(
			'sessions',
			new Sessions({
				store: this.#store,
				config,
				metrics,
				log,
				position: this.#position,
				onLost: ({ socket }) => cutConnection(socket.conn),
				onEpoch: () => this.#onGap('epoch', this.#position.cursor ?? STREAM_START),
			}),
		);
		const release = async (pid: string): Promise<void> => {
			const session = sessions.findByPid(pid);
			if (session) {
				cutConnection(session.socket.conn);
			}
			// It may have gone just now, with a hole in what it saw: Redis must know that first, too.
			await sessions.flush();
		};
		const takeover = this.#parts.add('takeover', new Takeover({ redis, keys, subscriptions: this.#subscriptions, log, worker, release }));
		const recovery = new Recovery({
			position: this.#position,
			outbox: this.#outbox,
			namespaces: this.#namespaces,
			delivery: this.#delivery,
			sessions,
			store: this.#store,
			config,
			metrics,
			log,
			tickNow: () => this.#ticker.tickNow(),
			worker,
			takeOver: (owner, pid) => takeover.ask(owner, pid),
		});
		return { sessions, recovery };
	}

	#createNamespace(adapter: OfficialAdapter): Adapter {
		const { metrics, log } = this.#deps;
		const name = adapter.nsp.name;
		const attendance = new Attendance({
			nodes: () => this.#members.nodesOf(name),
			presence: createRedisPresence({ adapter, members: this.#members, redis: this.#redis, keys: this.#keys, log }),
		});
		const namespace = hardenNamespace(adapter, {
			outbox: this.#outbox,
			delivery: this.#delivery,
			position: this.#position,
			recovery: this.#recovery,
			sessions: this.#sessions,
			attendance,
			requests: new Requests({ adapter, attendance, metrics, log }),
			acknowledgements: new Acknowledgements(adapter, attendance),
			onLost: (sockets) => this.#onLost(name, sockets),
			onClose: () => {
				this.#adapters.delete(name);
				this.#namespaces.remove(name);
				this.#members.unregister(name);
				// The official adapter leaves them behind, and the server would go on counting as one that answers.
				this.#subscriptions.remove(requestChannelOf(this.#keys, name));
				this.#subscriptions.remove(responseChannelOf(this.#keys, name, adapter.uid));
			},
		});
		this.#namespaces.add(name, namespace);
		this.#adapters.set(name, { adapter, attendance });
		this.#members.register(name, adapter.uid);
		return adapter as unknown as Adapter;
	}

	/** Where the stream is now; tried until Redis answers. */
	async #begin(): Promise<void> {
		const { commands } = this.#redis;
		const info = await this.#untilDone('begin', async () => {
			// Before the place: while this worker follows it is told of no other, and what is lost then must show when it is pushed messages.
			this.#epoch = (await commands.get(this.#keys.epoch)) ?? undefined;
			return readStreamInfo(commands, this.#keys.stream);
		});
		if (info) {
			this.#dispatcher.begin(info.last);
			if (this.#connections().size > 0) {
				// Redis was slow, or away: what the fleet has sent since they connected is missing for them.
				this.#onGap('late_start', info.last);
			}
			this.#delivery.start();
		}
	}

	#untilDone<T>(reason: string, work: () => Promise<T>): Promise<T | undefined> {
		const { metrics, log } = this.#deps;
		return persevere(work, { signal: this.#stop.signal, metrics, log, reason });
	}

	/** Clients of this worker have a hole in what they saw: they are told by being sent away and not recovered. */
	#onGap(reason: DeliveryGap, cursor: StreamOffset): void {
		const { metrics, log } = this.#deps;
		metrics.inc('socketfleet_stream_gap_total', { reason }, 1);
		log.warn({ reason, cursor }, 'entries of the stream are lost: clients are asked to connect again');
		this.#recovery?.dropHeld();
		if (reason === 'rewound' || reason === 'epoch') {
			this.#sessions?.abandonAll();
		} else {
			this.#sessions?.removeAll();
		}
		if (reason === 'rewound') {
			void this.#endEpoch();
		}
		this.#sendAway(this.#connections());
	}

	/** What they are sent next would come behind the hole: they are sent nothing until they are closed. */
	#sendAway(connections: ReadonlySet<EngineConnection>): void {
		for (const connection of connections) {
			silence(connection);
		}
		void closePaced([...connections], this.#stop.signal);
	}

	/** The log was set back: some worker, or a script, has found out. */
	#onTick({ last, epoch }: Tick): void {
		const known = this.#epoch;
		this.#epoch = epoch;
		if (known !== undefined && known !== epoch && this.#sessions?.epoch !== epoch) {
			this.#sessions?.setEpoch(epoch);
			this.#dispatcher.skipTo('epoch', last);
		}
	}

	/** Messages for these clients were given up before Redis took them. Who is in the pod that did has been given them all the same. */
	#onLost(nsp: string, sockets: readonly RecoverableSocket[]): void {
		for (const { id } of sockets) {
			const session = this.#sessions?.find(nsp, id);
			if (session) {
				this.#sessions?.remove(session);
			}
		}
		this.#deps.metrics.inc('socketfleet_stream_gap_total', { reason: 'lost' }, 1);
		this.#sendAway(new Set(sockets.map(({ conn }) => conn)));
	}

	/** Of every client that is connected to a namespace here. */
	#connections(): Set<EngineConnection> {
		return new Set([...this.#adapters.values()].flatMap(({ adapter }) => [...adapter.nsp.sockets.values()].map(({ conn }) => conn)));
	}

	/** Sessions of absent clients, whoever saved them, were saved in a history that is no more. */
	async #endEpoch(): Promise<void> {
		const seen = this.#sessions?.epoch;
		if (seen === undefined) {
			return;
		}
		const epoch = await this.#untilDone('end_epoch', () => this.#store.endEpoch(seen));
		if (epoch !== undefined) {
			this.#sessions?.setEpoch(epoch);
		}
	}

	#onMemberLeft(name: string, nodes: ReadonlyMap<string, string>, departure: Departure): void {
		for (const [nsp, uid] of nodes) {
			const found = this.#adapters.get(nsp);
			found?.attendance.forget(uid, departure);
			// For presence: its sockets are not in fetchSockets() any more.
			found?.adapter.emit('worker-left', name);
		}
	}
}
