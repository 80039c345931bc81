/** The Redis Streams adapter of one worker, put together: reader, dispatcher, publisher, sessions, recovery, membership. */
import { randomUUID } from 'node:crypto';
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
import { createPublisher, type Publisher } from '../stream/publisher.ts';
import { readRange } from '../stream/reader.ts';
import { type HubGap, StreamHub, type StreamHubDeps } from './dispatch/dispatcher.ts';
import { closePaced, cutConnection, type EngineConnection, silence } from './ending.ts';
import type { FleetAdapter, FleetAdapterDeps } from './fleet-adapter.ts';
import { Carrier } from './follow/carrier.ts';
import { hardenNamespace } from './namespace.ts';
import { createOfficialFactory, type OfficialAdapter, requestChannelOf, responseChannelOf } from './official.ts';
import { createStreamPort } from './official-port.ts';
import { OlderEntries } from './recovery/older-entries.ts';
import { RecentEntries } from './recovery/recent-entries.ts';
import { Recovery } from './recovery/restore.ts';
import { RetentionWatch } from './recovery/retention.ts';
import { Acknowledgements } from './servers/acknowledgements.ts';
import { Attendance } from './servers/attendance.ts';
import { type Departure, Members } from './servers/members.ts';
import { Requests } from './servers/requests.ts';
import { Sessions } from './sessions/sessions.ts';
import { createSessionStore } from './sessions/store.ts';
import { Takeover } from './sessions/takeover.ts';
import { SlowConsumers } from './slow-consumers.ts';

/** Of each worker, for what its clients may have missed. Above it, what is older is read again when someone needs it. */
const RECENT_MAX_BYTES = 32 * 1024 * 1024;
const START_TIMEOUT_MS = 5000;
const MAX_CATCH_UP_ENTRIES = 200_000;

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
	readonly #hub: StreamHub;
	readonly #publisher: Publisher;
	readonly #subscriptions: Subscriptions;
	readonly #members: Members;
	readonly #carrier: Carrier;
	readonly #sessions: Sessions | undefined;
	readonly #recovery: Recovery | undefined;
	readonly #recent = new RecentEntries(RECENT_MAX_BYTES, STREAM_START);
	readonly #store;
	readonly #slowConsumers: SlowConsumers;
	readonly #retention: RetentionWatch;

	constructor(deps: FleetAdapterDeps, redis: RedisHandle) {
		const { config, metrics, log, bus, owner } = deps;
		const worker = randomUUID();
		const keys = redisKeysOf(config);
		this.#deps = deps;
		this.#redis = redis;
		this.#keys = keys;
		this.#parts = new Lifecycle(log);
		this.#subscriptions = this.#parts.add('subscriptions', new Subscriptions(redis, log, metrics));
		this.#hub = this.#parts.add(
			'dispatcher',
			new StreamHub({
				config,
				metrics,
				log,
				catchUp: (from, to) => this.#catchUp(from, to),
				barrier: () => this.#sessions?.barrier(),
				onOutside: (nsp, isOutside) => this.#sessions?.noteOutside(nsp, isOutside),
				share: (messages) => this.#carrier.share(messages),
				interest: () => this.#carrier.interest.token,
				onEntry: (entry) => this.#recovery && this.#recent.append(entry),
				onQuietBatch: (batch) => this.#recovery && this.#recent.appendBatch(batch),
				onHole: (cursor) => this.#recent.reset(cursor),
				onGap: (reason, cursor) => this.#onGap(reason, cursor),
			}),
		);
		this.#publisher = this.#parts.add(
			'publisher',
			createPublisher({
				redis,
				config,
				metrics,
				log,
				events: { onPublished: (mark) => this.#hub.own.onPublished(mark), onLate: (mark) => this.#hub.own.onPublishLate(mark) },
			}),
		);
		this.#hub.own.setPublisher(this.#publisher);
		this.#carrier = this.#parts.add(
			'reader',
			new Carrier({
				bus,
				redis,
				stream: keys.stream,
				metrics,
				log,
				cursor: () => this.#hub.cursor,
				rooms: () => [...this.#hub.namespaces].map(([nsp, { rooms }]) => [nsp, rooms.keys()] as const),
				isConcerned: (entry) => this.#hub.isConcerned(entry),
				onBatch: (batch) => this.#hub.receive(batch),
				onGap: (reason, cursor) => this.#hub.skipTo(reason, cursor),
				onLocal: (messages) => this.#hub.own.receiveLocal(messages),
			}),
		);
		this.#members = this.#parts.add('membership', new Members({ redis, keys, subscriptions: this.#subscriptions, bus, log, owner }));
		this.#members.onLeft((name, nodes, departure) => this.#onMemberLeft(name, nodes, departure));
		this.#store = createSessionStore(redis, keys, worker);
		if (config.recovery) {
			({ sessions: this.#sessions, recovery: this.#recovery } = this.#createRecovery(worker));
		}
		this.#slowConsumers = this.#parts.add('slow consumers', new SlowConsumers({ maxBufferedBytes: config.maxBufferedBytes, metrics, log }));
		const factory = createOfficialFactory(
			createStreamPort({ redis, subscriptions: this.#subscriptions, metrics, log, publish: (fields) => this.#hub.own.publish(fields) }),
			keys,
		);
		const create = (nsp: Namespace): Adapter => this.#createNamespace(factory(nsp));
		// Socket.IO calls it with `new`, which an arrow function refuses.
		this.adapter = function adapterOf(nsp: Namespace) {
			return create(nsp);
		};
		this.#retention = this.#parts.add(
			'retention',
			new RetentionWatch({ redis, stream: keys.stream, config, metrics, log, isResponsible: () => this.#carrier.isReading }),
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
		const waiting = this.#hub.cursor === undefined ? 'the stream has not been read yet' : undefined;
		return [this.#redis.problem() ?? waiting, this.#publisher.problem(), this.#retention.problem()].filter(
			(reason) => reason !== undefined,
		);
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
				cursor: () => this.#hub.cursor ?? STREAM_START,
				onLost: ({ socket }) => cutConnection(socket.conn),
				onEpoch: () => this.#onGap('epoch', this.#hub.cursor ?? STREAM_START),
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
			hub: this.#hub,
			sessions,
			store: this.#store,
			recent: this.#recent,
			older: new OlderEntries(redis, keys.stream, this.#recent),
			config,
			metrics,
			log,
			takeOver: (owner, pid) => takeover.ask(owner, pid),
		});
		return { sessions, recovery };
	}

	#createNamespace(adapter: OfficialAdapter): Adapter {
		const { metrics, log } = this.#deps;
		const name = adapter.nsp.name;
		const attendance = new Attendance({ adapter, members: this.#members, redis: this.#redis, keys: this.#keys, log });
		hardenNamespace(adapter, {
			hub: this.#hub,
			interest: this.#carrier.interest,
			recovery: this.#recovery,
			sessions: this.#sessions,
			attendance,
			requests: new Requests({ adapter, attendance, metrics, log }),
			acknowledgements: new Acknowledgements(adapter, attendance),
			onClose: () => {
				this.#adapters.delete(name);
				this.#members.unregister(name);
				// The official adapter leaves them behind, and the server would go on counting as one that answers.
				this.#subscriptions.remove(requestChannelOf(this.#keys, name));
				this.#subscriptions.remove(responseChannelOf(this.#keys, name, adapter.uid));
			},
		});
		this.#adapters.set(name, { adapter, attendance });
		this.#members.register(name, adapter.uid);
		return adapter as unknown as Adapter;
	}

	/** Where the stream is now; tried until Redis answers. */
	async #begin(): Promise<void> {
		const info = await this.#untilDone('begin', () => readStreamInfo(this.#redis.commands, this.#keys.stream));
		if (info) {
			this.#recent.reset(info.last);
			this.#hub.begin(info.last);
			if (this.#connections().size > 0) {
				// Redis was slow, or away: what the fleet has sent since they connected is missing for them.
				this.#onGap('late_start', info.last);
			}
			this.#carrier.start();
		}
	}

	async #catchUp(from: StreamOffset, to: StreamOffset): ReturnType<StreamHubDeps['catchUp']> {
		const range = { from, to, maxEntries: MAX_CATCH_UP_ENTRIES };
		const found = await this.#untilDone('catch_up', () => readRange(this.#redis.commands, this.#keys.stream, range));
		return { entries: found?.entries ?? [], complete: found === undefined || (found.complete && !found.cut) };
	}

	#untilDone<T>(reason: string, work: () => Promise<T>): Promise<T | undefined> {
		const { metrics, log } = this.#deps;
		return persevere(work, { signal: this.#stop.signal, metrics, log, reason });
	}

	/** Clients of this worker have a hole in what they saw: they are told by being sent away and not recovered. */
	#onGap(reason: HubGap, cursor: StreamOffset): void {
		const { metrics, log } = this.#deps;
		metrics.inc('socketfleet_stream_gap_total', { reason }, 1);
		log.warn({ reason, cursor }, 'entries of the stream are lost: clients are asked to connect again');
		this.#recent.reset(cursor);
		this.#recovery?.dropHeld();
		if (reason === 'rewound' || reason === 'epoch') {
			this.#sessions?.abandonAll();
		} else {
			this.#sessions?.removeAll();
		}
		if (reason === 'rewound') {
			void this.#endEpoch();
		}
		const connections = this.#connections();
		for (const connection of connections) {
			silence(connection);
		}
		void closePaced([...connections], this.#stop.signal);
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
