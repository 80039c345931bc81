/** The parts of a worker that messages go through, as the stream adapter puts them together, without Redis and without Socket.IO. */
import type { TestContext } from 'node:test';
import { type DeliveryGap, Dispatcher } from '../../../src/adapter/dispatch/dispatcher.ts';
import { LocalNamespaces } from '../../../src/adapter/dispatch/namespaces.ts';
import { Outbox } from '../../../src/adapter/dispatch/outbox.ts';
import { Position } from '../../../src/adapter/position.ts';
import { createSilentLogger } from '../../../src/base/log.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { createMetrics } from '../../../src/metrics/registry.ts';
import { type EntryFields, type EntryMessage, type ParsedEntry, parseEntry } from '../../../src/stream/entry.ts';
import type { StreamOffset } from '../../../src/stream/offset.ts';
import { FakePod } from './fake-bus.ts';

export const at = (ms: number): StreamOffset => `${ms}-0` as StreamOffset;

export interface EntryOptions {
	/** `publisher sequence`. */
	readonly pub?: string;
	readonly to?: string;
	readonly nsp?: string;
	readonly type?: number;
}

/** Fields of an event called `name`. */
export function fieldsOf(name: string, { to, nsp = '/', type = 3 }: EntryOptions = {}): EntryFields {
	const opts = { rooms: to === undefined ? [] : [to], except: [], flags: {} };
	return { uid: 'u', nsp, type, data: JSON.stringify({ packet: { type: 2, data: [name] }, opts }) };
}

export function entryOf(ms: number, name: string, options: EntryOptions = {}): ParsedEntry {
	const { pub, to } = options;
	const fields = [...Object.entries({ ...fieldsOf(name, options), pub, to })].filter(([, value]) => value !== undefined);
	const parsed = parseEntry([at(ms), fields.flatMap(([field, value]) => [field, String(value)])]);
	if (parsed === undefined) {
		throw new Error(`${ms} is no id`);
	}
	return parsed;
}

export const passed = (ms: number): { readonly kind: 'passed'; readonly id: StreamOffset } => ({ kind: 'passed', id: at(ms) });

interface WorkerOptions {
	readonly pod?: FakePod;
	/** Of worker 0 the messages are marked `p0 1`, `p0 2` and so on. */
	readonly slot?: number;
	readonly publishTimeoutMs?: number;
}

/** Has begun after entry 10, with one namespace that has the room `here` and writes down what it is handed, as `name@offset`. */
export class FakeWorker {
	readonly heard: string[] = [];
	readonly gaps: [DeliveryGap, StreamOffset][] = [];
	/** Whether clients are ahead of the log, each time that it changes: `/ true`. */
	readonly outside: string[] = [];
	readonly rooms = new Set(['here']);
	readonly metrics = createMetrics();
	readonly log = createSilentLogger();
	readonly position = new Position();
	readonly namespaces = new LocalNamespaces(this.metrics, this.log);
	readonly outbox: Outbox;
	readonly dispatcher: Dispatcher;
	/** Called with the name of each event, after it was written down. */
	onEvent: (name: string) => void = () => undefined;

	constructor(t: TestContext, { pod = new FakePod(), slot = 0, publishTimeoutMs = 10_000 }: WorkerOptions = {}) {
		const { metrics, log, position, namespaces } = this;
		const { config } = loadConfig({ env: {}, flags: {}, cwd: '/nonexistent' });
		const publisher = `p${slot}`;
		let sequence = 0;
		this.outbox = new Outbox(
			{
				position,
				namespaces,
				bus: pod.connect(slot),
				log,
				onOutside: (nsp, isOutside) => this.outside.push(`${nsp} ${isOutside}`),
			},
			// What becomes of a message is up to the test.
			() => ({ publish: () => ({ publisher, sequence: ++sequence }), problem: () => undefined, close: () => undefined }),
		);
		t.after(() => this.outbox.close());
		this.dispatcher = new Dispatcher({
			config: { ...config, publishTimeoutMs },
			metrics,
			position,
			namespaces,
			outbox: this.outbox,
			onGap: (...gap) => this.gaps.push(gap),
		});
		this.add('/');
		this.dispatcher.begin(at(10));
	}

	add(nsp: string): void {
		this.namespaces.add(nsp, { rooms: this.rooms, deliver: (message, offset) => this.#onMessage(message, offset) });
	}

	/** Publishes an event to the whole namespace, or to the room `to`. */
	publish(name: string, to?: string): void {
		this.outbox.publish(fieldsOf(name, to === undefined ? {} : { to }), to === undefined ? [] : [to]);
	}

	/** Reason -> how many entries were dropped for it. */
	async dropped(): Promise<Record<string, number>> {
		const family = (await this.metrics.snapshot()).own.find(({ name }) => name === 'socketfleet_stream_entries_dropped_total');
		return Object.fromEntries((family?.samples ?? []).map(({ labels, value }) => [labels.reason ?? '', value]));
	}

	#onMessage(message: EntryMessage, offset: string): void {
		const name = message.kind === 'broadcast' ? String(message.packet.data[0]) : message.kind;
		this.heard.push(`${name}@${offset}`);
		this.onEvent(name);
	}
}
