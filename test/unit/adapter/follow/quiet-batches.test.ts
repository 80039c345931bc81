/**
 * A worker that passes over what does not concern it must deliver, miss and remember exactly what one does that looks at everything:
 * whatever is joined, left, published, repeated, lost or given up, and whichever sibling reads.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { StreamHub } from '../../../../src/adapter/dispatch/dispatcher.ts';
import { Interest, type InterestMessage } from '../../../../src/adapter/follow/interest.ts';
import { type PackedBatch, PeerFeed } from '../../../../src/adapter/follow/peer-feed.ts';
import { buildBatch, parseAll, type StreamBatch } from '../../../../src/adapter/follow/stream-batch.ts';
import { RecentEntries } from '../../../../src/adapter/recovery/recent-entries.ts';
import { createSilentLogger } from '../../../../src/base/log.ts';
import { loadConfig } from '../../../../src/config/load.ts';
import { createMetrics } from '../../../../src/metrics/registry.ts';
import { formatMark } from '../../../../src/stream/entry.ts';
import type { StreamOffset } from '../../../../src/stream/offset.ts';
import type { RawEntry } from '../../../../src/stream/reader.ts';
import { createRandom } from '../../../support/fuzz.ts';

const ROOMS = 'abcdefghijklmnopqrst'.split('');
const NAMESPACES = ['/', '/x', '/nowhere'];
const PUBLISHERS = ['own', 'p', 'q'];
const STEPS = 4000;
const at = (ms: number): StreamOffset => `${ms}-0` as StreamOffset;
const msOf = (offset: StreamOffset): number => Number(offset.slice(0, offset.indexOf('-')));
const { config } = loadConfig({ env: {}, flags: {}, cwd: '/nonexistent' });

/** One worker's dispatcher, and all that can be seen of what it did. */
class Witness {
	readonly seen: string[] = [];
	readonly recent = new RecentEntries(30_000, at(0), 0);
	readonly rooms: Readonly<Record<string, Set<string>>> = { '/': new Set(), '/x': new Set() };
	readonly hub: StreamHub;
	quietBatches = 0;

	constructor(log: readonly RawEntry[], interest: () => string) {
		this.hub = new StreamHub({
			config,
			metrics: createMetrics(),
			log: createSilentLogger(),
			interest,
			catchUp: (from, to) => Promise.resolve({ entries: log.slice(msOf(from), msOf(to)), complete: true }),
			barrier: () => undefined,
			onOutside: (nsp, isOutside) => this.seen.push(`outside ${nsp} ${isOutside}`),
			share: () => undefined,
			onEntry: (entry) => this.recent.append(entry),
			onQuietBatch: (batch) => {
				this.quietBatches++;
				this.recent.appendBatch(batch);
			},
			onHole: (cursor) => this.#lose('hole', cursor),
			onGap: (reason, cursor) => this.#lose(reason, cursor),
		});
		let sequence = 0;
		this.hub.own.setPublisher({
			publish: () => ({ publisher: 'own', sequence: ++sequence }),
			problem: () => undefined,
			close: () => undefined,
		});
		for (const [name, rooms] of Object.entries(this.rooms)) {
			this.hub.add(name, { rooms, deliver: (message, offset) => this.seen.push(`${name} ${JSON.stringify(message)} ${offset}`) });
		}
		this.hub.begin(at(0));
	}

	#lose(reason: string, cursor: StreamOffset): void {
		this.seen.push(`${reason} ${cursor}`);
		this.recent.reset(cursor);
	}
}

/** A worker as it is, its twin that is given the same batches without the hint, and the sibling that reads for both. */
class World {
	readonly random: () => number;
	readonly log: RawEntry[] = [];
	readonly toReader: InterestMessage[] = [];
	readonly toWorker: { batches: readonly PackedBatch[]; known: string | undefined }[] = [];
	readonly interest: Interest;
	readonly worker: Witness;
	readonly twin: Witness;
	readonly #sequences = new Map<string, number>();
	#feed = this.#createFeed();
	#readUpTo = 0;

	constructor(seed: number) {
		this.random = createRandom(seed);
		this.interest = new Interest({
			rooms: () => Object.entries(this.worker.rooms),
			send: (_slot, message) => this.toReader.push(message) > 0,
		});
		this.worker = new Witness(this.log, () => this.interest.token);
		this.twin = new Witness(this.log, () => 'looks at everything');
	}

	chance(probability: number): boolean {
		return this.random() < probability;
	}

	pick<T>(from: readonly T[]): T {
		return from[Math.floor(this.random() * from.length)] as T;
	}

	step(): void {
		const action = this.random();
		if (action < 0.3) {
			this.#publish(1 + Math.floor(this.random() * 4));
			this.#read();
		} else if (action < 0.33) {
			this.#changeRooms(this.pick(ROOMS.slice(0, 4)));
		} else if (action < 0.7) {
			this.hand(2);
		} else if (action < 0.95) {
			for (const message of this.toReader.splice(0, 1)) {
				this.#feed.onInterest(message);
			}
		} else if (action < 0.985) {
			this.#feed.flush();
		} else if (action < 0.99) {
			this.#changeReader();
		} else if (action < 0.993) {
			this.#loseBus();
		} else if (action < 0.995) {
			for (const { hub } of [this.worker, this.twin]) {
				hub.skipTo('trimmed', at(Math.max(msOf(hub.cursor ?? at(0)), this.#readUpTo - 3)));
			}
		} else {
			for (const { hub } of [this.worker, this.twin]) {
				hub.own.onPublishLate({ publisher: 'own', sequence: this.#sequences.get('own') ?? 0 });
			}
		}
	}

	/** The next frames reach the worker, and its twin without their hint. */
	hand(frames: number): void {
		for (const { batches, known } of this.toWorker.splice(0, frames)) {
			for (const { entries, ...batch } of batches) {
				const unpacked: StreamBatch = {
					...batch,
					bytes: entries.length,
					parse: () => parseAll(JSON.parse(Buffer.from(entries).toString())),
				};
				this.worker.hub.receive(unpacked);
				this.twin.hub.receive({ ...unpacked, quietFor: undefined });
			}
			this.interest.onReader(0, known);
		}
	}

	finish(): void {
		this.#feed.flush();
		this.hand(this.toWorker.length);
	}

	close(): void {
		this.#feed.close();
		this.worker.hub.close();
		this.twin.hub.close();
	}

	#createFeed(): PeerFeed {
		return new PeerFeed((batches, known) => this.toWorker.push({ batches, known }));
	}

	#publish(count: number): void {
		for (let i = 0; i < count; i++) {
			const id = this.log.length + 1;
			const nsp = this.pick(NAMESPACES);
			const to = this.chance(0.95) ? [this.pick(ROOMS), this.pick(ROOMS)] : [];
			const data = JSON.stringify({ packet: { type: 2, data: [id] }, opts: { rooms: to, except: [], flags: {} } });
			const fields = ['uid', 'u', 'nsp', nsp, 'type', this.chance(0.005) ? 'nonsense' : '3', 'data', data];
			if (this.chance(0.7)) {
				fields.push('pub', this.#mark(this.pick(PUBLISHERS), { uid: 'u', nsp, type: 3, data }));
			}
			this.log.push([at(id), to.length > 0 ? [...fields, 'to', to.join('\u001f')] : fields]);
		}
	}

	/** Now and then one that was there before, or one too high. */
	#mark(publisher: string, fields: { uid: string; nsp: string; type: number; data: string }): string {
		const last = this.#sequences.get(publisher) ?? 0;
		const isOdd = this.chance(0.02);
		const sequence = isOdd && publisher !== 'own' ? Math.max(1, last + this.pick([0, 2])) : last + 1;
		this.#sequences.set(publisher, Math.max(last, sequence));
		if (publisher === 'own') {
			const isAcknowledged = this.chance(0.8);
			for (const { hub } of [this.worker, this.twin]) {
				hub.own.publish(fields);
				if (isAcknowledged) {
					hub.own.onPublished({ publisher, sequence });
				}
			}
		}
		return formatMark({ publisher, sequence });
	}

	#read(): void {
		const entries = this.log.slice(this.#readUpTo);
		this.#feed.add(buildBatch(at(this.#readUpTo), parseAll(entries)), Buffer.from(JSON.stringify(entries)));
		this.#readUpTo = this.log.length;
	}

	#changeRooms(room: string): void {
		const nsp = this.pick(['/', '/x']);
		const isThere = !this.worker.rooms[nsp]?.has(room);
		for (const { rooms } of [this.worker, this.twin]) {
			if (isThere) {
				rooms[nsp]?.add(room);
			} else {
				rooms[nsp]?.delete(room);
			}
		}
		this.interest.onRoom(nsp, room, isThere);
	}

	/** Another sibling reads on where it is itself, a little behind. It has heard from this worker before, or has not, or lost some. */
	#changeReader(): void {
		this.#feed.flush();
		if (this.chance(0.5)) {
			this.#feed = this.#createFeed();
		}
		this.#readUpTo = Math.max(0, this.log.length - Math.floor(this.random() * 10));
		if (this.chance(0.5)) {
			this.interest.onPeerDown(0);
			this.toReader.length = 0;
		}
	}

	/** What was under way is lost, without either side being told. */
	#loseBus(): void {
		this.toReader.length = 0;
		this.toWorker.length = 0;
	}
}

async function compare(t: TestContext, seed: number): Promise<number> {
	const world = new World(seed);
	t.after(() => world.close());
	for (let step = 0; step < STEPS; step++) {
		world.step();
		await new Promise(setImmediate);
		if (step % 100 === 0) {
			world.finish();
			await new Promise(setImmediate);
			check(world);
		}
	}
	return world.worker.quietBatches;
}

function check(world: World): void {
	const { worker, twin } = world;
	assert.deepEqual(worker.seen.splice(0), twin.seen.splice(0));
	assert.equal(worker.hub.cursor, twin.hub.cursor);
	assert.equal(worker.hub.own.isOutside('/'), twin.hub.own.isOutside('/'));
	const from = Math.max(msOf(worker.recent.from), msOf(twin.recent.from));
	const rooms = [world.pick(ROOMS), world.pick(ROOMS)];
	const idsOf = ({ recent }: Witness): readonly StreamOffset[] => recent.select('/', rooms, at(from)).map(({ id }) => id);
	assert.deepEqual(idsOf(worker), idsOf(twin));
}

test('a hint that nothing concerns a worker never changes what it delivers, misses or remembers', async (t) => {
	t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
	let quiet = 0;
	for (let seed = 1; seed <= 5; seed++) {
		quiet += await compare(t, seed);
	}
	assert.ok(quiet > 500, `batches were passed over: ${quiet}`);
});
