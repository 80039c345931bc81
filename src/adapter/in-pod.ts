/**
 * The adapter of a pod without Redis, put together. It differs from the one over Redis in its carrier, which is the bus between the
 * workers and never the primary, in that a worker's own clients get its messages at once, and in that nothing is kept: no recovery.
 */
import { decode, encode } from '@msgpack/msgpack';
import type { Namespace, Server } from 'socket.io';
import type { Adapter, ClusterMessage } from 'socket.io-adapter';
import { Lifecycle } from '../base/lifecycle.ts';
import { type EntryFields, formatRooms, isJson, type ParsedEntry, parseEntry } from '../stream/entry.ts';
import { STREAM_START } from '../stream/offset.ts';
import { LocalNamespaces } from './dispatch/namespaces.ts';
import type { FleetAdapter, FleetAdapterDeps } from './fleet-adapter.ts';
import { replacePublishing, replaceRequests, SocketIoNamespace } from './namespace.ts';
import { createOfficialFactory, encodeMessage, type OfficialAdapter } from './official.ts';
import type { StreamPort } from './official-port.ts';
import { parsePayload } from './payload.ts';
import { Acknowledgements } from './servers/acknowledgements.ts';
import { Attendance } from './servers/attendance.ts';
import { Requests } from './servers/requests.ts';
import { Siblings } from './servers/siblings.ts';
import type { Room } from './sessions/record.ts';
import { SlowConsumers } from './slow-consumers.ts';

/** Messages as they would stand on the stream. */
const ENTRIES = 'entries';
/** Questions and answers as they would go by pub/sub. */
const REQUESTS = 'requests';
const TELL_EVERY_MS = 1000;

/** The official adapter encodes; there is nothing that it could read, publish or subscribe to. */
const NO_REDIS: StreamPort = {
	options: {},
	duplicate: () => NO_REDIS,
	on: () => undefined,
	xread: () => new Promise<never>(() => undefined),
	subscribe: () => undefined,
	publish: () => Promise.resolve(0),
	disconnect: () => undefined,
};

export function createInPodFleet(deps: FleetAdapterDeps): FleetAdapter {
	return new InPodFleet(deps);
}

class InPodFleet implements FleetAdapter {
	readonly adapter: (nsp: Namespace) => Adapter;
	readonly #deps: FleetAdapterDeps;
	readonly #parts: Lifecycle;
	readonly #namespaces: LocalNamespaces;
	readonly #siblings: Siblings;
	readonly #slowConsumers: SlowConsumers;
	readonly #adapters = new Map<string, { readonly adapter: OfficialAdapter; readonly attendance: Attendance }>();

	constructor(deps: FleetAdapterDeps) {
		const { bus, config, metrics, log, owner } = deps;
		this.#deps = deps;
		this.#parts = new Lifecycle(log);
		this.#namespaces = new LocalNamespaces(metrics, log);
		const timer = setInterval(() => this.#namespaces.counters.tell(), TELL_EVERY_MS).unref();
		this.#parts.add('counters', { close: () => clearInterval(timer) });
		this.#slowConsumers = this.#parts.add('slow consumers', new SlowConsumers({ maxBufferedBytes: config.maxBufferedBytes, metrics, log }));
		this.#siblings = this.#parts.add('siblings', new Siblings(bus, owner.pod));
		this.#siblings.onLeft((name, nodes) => this.#onLeft(name, nodes));
		this.#parts.add('namespaces', { close: () => this.#closeAll() });
		bus.on(ENTRIES, (_from, payload) => this.#onEntry(payload));
		bus.on(REQUESTS, (from, payload) => this.#onRequest(from, payload));
		const factory = createOfficialFactory(NO_REDIS, { stream: '', channels: '' });
		const create = (nsp: Namespace): Adapter => this.#createNamespace(factory(nsp));
		// Socket.IO calls it with `new`, which an arrow function refuses.
		this.adapter = function adapterOf(nsp: Namespace) {
			return create(nsp);
		};
	}

	attach(io: Server): void {
		this.#slowConsumers.watch(io);
	}

	start(): Promise<void> {
		return Promise.resolve();
	}

	setDelivery(): void {
		// There is one way only.
	}

	reasons(): readonly string[] {
		return [];
	}

	close(): Promise<void> {
		return this.#parts.close();
	}

	#createNamespace(adapter: OfficialAdapter): Adapter {
		const { bus, metrics, log } = this.#deps;
		const { name } = adapter.nsp;
		const local = new SocketIoNamespace(adapter, { recovery: undefined, sessions: undefined, onLost: () => undefined });
		// Who is there tells it over the bus, which also tells who is gone.
		const attendance = new Attendance({ nodes: () => this.#siblings.nodesOf(name), presence: undefined });
		replacePublishing(adapter, {
			deliver: (packet, opts) => local.broadcast(packet, opts, ''),
			publish: (message, opts, deliverHere) => {
				const fields = encodeMessage(adapter, message);
				bus.broadcast(ENTRIES, buildFrame(fields, [...opts.rooms]));
				if (isJson(fields.data)) {
					deliverHere();
				} else {
					// MessagePack changes some values, and all clients are sent the same.
					this.#namespaces.deliverOutside(fields, '');
				}
			},
		});
		replaceRequests(adapter, {
			attendance,
			requests: new Requests({ adapter, attendance, metrics, log }),
			acknowledgements: new Acknowledgements(adapter, attendance),
		});
		this.#replaceCarrier(adapter);
		const close = adapter.close.bind(adapter);
		adapter.close = () => {
			this.#adapters.delete(name);
			this.#namespaces.remove(name);
			this.#siblings.unregister(name);
			return close();
		};
		this.#adapters.set(name, { adapter, attendance });
		this.#namespaces.add(name, local);
		this.#siblings.register(name, adapter.uid);
		return adapter as unknown as Adapter;
	}

	/** What the official adapter publishes itself are requests and answers to them. */
	#replaceCarrier(adapter: OfficialAdapter): void {
		const { bus } = this.#deps;
		adapter.doPublish = (request) => {
			bus.broadcast(REQUESTS, encode(request));
			return Promise.resolve('');
		};
		adapter.doPublishResponse = (requester, response) => {
			const payload = encode(response);
			const slot = this.#siblings.slotOf(adapter.nsp.name, requester);
			if (slot !== undefined) {
				bus.send(slot, REQUESTS, payload);
			}
			return Promise.resolve();
		};
	}

	#onEntry(payload: Buffer): void {
		const parsed = parseFrame(payload);
		if (parsed?.kind === 'entry') {
			this.#namespaces.deliver(parsed.entry);
		} else {
			this.#namespaces.counters.quarantine(STREAM_START, parsed?.reason ?? 'undecodable');
		}
	}

	/** Listeners of the application run in it. */
	#onRequest(from: number, payload: Buffer): void {
		try {
			const message = decode(payload) as ClusterMessage;
			this.#adapters.get(message.nsp)?.adapter.onMessage(message);
		} catch (error) {
			this.#namespaces.counters.drop('failed');
			this.#deps.log.error({ err: error, from }, 'a request of a sibling worker failed');
		}
	}

	#onLeft(worker: string, nodes: ReadonlyMap<string, string>): void {
		for (const [nsp, uid] of nodes) {
			const found = this.#adapters.get(nsp);
			found?.attendance.forget(uid, 'gone');
			// For presence: its sockets are not in fetchSockets() any more.
			found?.adapter.emit('worker-left', worker);
		}
	}

	#closeAll(): void {
		for (const { adapter } of [...this.#adapters.values()]) {
			void adapter.close();
		}
	}
}

/** A line of JSON, and `data` as it is: most messages are for rooms that are elsewhere, and are dropped by what the line says. */
function buildFrame({ uid, nsp, type, data }: EntryFields, rooms: readonly Room[]): Buffer {
	return Buffer.from(`${JSON.stringify({ uid, nsp, type: String(type), to: formatRooms(rooms) })}\n${data}`);
}

/** Read as an entry of the stream is. */
function parseFrame(payload: Buffer): ParsedEntry | undefined {
	const end = payload.indexOf('\n');
	const head = parsePayload(payload.subarray(0, end));
	return head && parseEntry([STREAM_START, [...Object.entries(head).flat(), 'data', payload.toString('utf8', end + 1)]]);
}
