/**
 * What this worker publishes, until it comes back from the log and is delivered like everything else. What Redis does not take in time
 * is delivered in this pod at once, without an offset that recovery would trust, and not again when the log brings it later.
 */
import { deserialize, serialize } from 'node:v8';
import { messageOf } from '../../base/errors.ts';
import type { Closable } from '../../base/lifecycle.ts';
import type { Logger } from '../../base/log.ts';
import type { Bus } from '../../ipc/bus.ts';
import type { EntryFields, PublisherMark } from '../../stream/entry.ts';
import type { StreamOffset } from '../../stream/offset.ts';
import type { Publisher, PublisherEvents } from '../../stream/publisher.ts';
import type { Position } from '../position.ts';
import type { LocalNamespaces } from './namespaces.ts';
import { type LocalMessage, type Pending, PendingMessages, type Settlement } from './pending-messages.ts';

export interface OutboxDeps {
	readonly position: Position;
	readonly namespaces: LocalNamespaces;
	/** Carries what Redis does not take to the other workers of the pod. */
	readonly bus: Bus;
	readonly log: Logger;
	/**
	 * Clients of that namespace are ahead of the log (`true`), or the log has caught up with them (`false`): until then nobody can
	 * be recovered, and after it only who has seen a later entry.
	 */
	onOutside(nsp: string, isOutside: boolean): void;
}

type Frame =
	| { readonly kind: 'messages'; readonly messages: readonly LocalMessage[] }
	| { readonly kind: 'settlements'; readonly settlements: readonly Settlement[] };

const TOPIC = 'outbox';
/** The last part of an offset that no entry has: recovery over it would repeat or miss what was delivered without the log. */
export const OUTSIDE_STREAM = '~';
const CHECK_EVERY_MS = 250;

export class Outbox implements PublisherEvents, Closable {
	readonly #deps: OutboxDeps;
	readonly #publisher: Publisher;
	readonly #pending = new PendingMessages();
	/** Publishers of this pod some of whose messages were delivered here without the log. */
	readonly #siblings = new Set<string>();
	#settlements: Settlement[] = [];
	readonly #timer: NodeJS.Timeout;

	/** `createPublisher`: builds the publisher that reports to this outbox. */
	constructor(deps: OutboxDeps, createPublisher: (events: PublisherEvents) => Publisher) {
		this.#deps = deps;
		this.#publisher = createPublisher(this);
		deps.bus.on(TOPIC, (from, payload) => this.#onFrame(from, payload));
		this.#timer = setInterval(() => this.#check(), CHECK_EVERY_MS);
		this.#timer.unref();
	}

	publish(fields: EntryFields, rooms: readonly unknown[]): void {
		this.#pending.add(this.#publisher.publish({ fields, rooms }), fields);
	}

	/** A sentence while nothing is published. */
	problem(): string | undefined {
		return this.#publisher.problem();
	}

	onPublished(mark: PublisherMark, id: StreamOffset): void {
		const { position } = this.#deps;
		position.hear(id);
		if (this.#pending.onPublished(mark, id)) {
			if (this.#settlements.push({ mark, id }) === 1) {
				setImmediate(() => this.#shareSettlements());
			}
		} else if (position.cursor !== undefined) {
			// A tick may be faster than the reply, and the next one only comes with the next message.
			this.passTo(position.cursor);
		}
	}

	/** That message and all before it are delivered in this pod. */
	onLate(mark: PublisherMark): void {
		this.#giveUp(this.#pending.giveUpTo(mark));
	}

	/** Whether clients of that namespace are ahead of the log. */
	isOutside(nsp: string): boolean {
		return this.#pending.isOutside(nsp);
	}

	/** Whether that message was delivered here without the log. */
	hasGivenUp(mark: PublisherMark): boolean {
		return this.#pending.hasGivenUp(mark);
	}

	/** Whether what that publisher gave up for others was delivered to the clients of this pod all the same. */
	isOfThisPod({ publisher }: PublisherMark): boolean {
		return this.#siblings.has(publisher);
	}

	/** The cursor jumps: what Redis has may lie behind it. */
	forgetPublished(): void {
		this.#pending.forgetPublished();
	}

	/** The cursor has passed that entry: own messages up to it that have not come were for nobody here. */
	passTo(cursor: StreamOffset): void {
		this.#pending.passTo(cursor);
	}

	/** The log has brought that message. True when it was delivered here before. */
	arrive(nsp: string, mark: PublisherMark): boolean {
		if (this.#pending.onArrival(mark) !== 'echo') {
			return false;
		}
		if (!this.#pending.isOutside(nsp)) {
			this.#deps.onOutside(nsp, false);
		}
		return true;
	}

	close(): Promise<void> | void {
		clearInterval(this.#timer);
		return this.#publisher.close();
	}

	#check(): void {
		this.#giveUp(this.#pending.giveUpOverdue());
		for (const nsp of this.#pending.settle(this.#deps.position.cursor)) {
			this.#deps.onOutside(nsp, false);
		}
	}

	#giveUp(messages: readonly Pending[]): void {
		const first = messages[0];
		if (first === undefined) {
			return;
		}
		this.#siblings.add(first.mark.publisher);
		this.#deliver(messages);
		this.#share({ kind: 'messages', messages: messages.map(({ mark, fields }) => ({ mark, fields })) });
		const settlements = messages.flatMap(({ mark, published }) => (published ? [{ mark, id: published.id }] : []));
		if (settlements.length > 0) {
			this.#share({ kind: 'settlements', settlements });
		}
	}

	#shareSettlements(): void {
		const settlements = this.#settlements;
		this.#settlements = [];
		this.#share({ kind: 'settlements', settlements });
	}

	#share(frame: Frame): void {
		this.#deps.bus.broadcast(TOPIC, serialize(frame));
	}

	#onFrame(from: number, payload: Buffer): void {
		let frame: Frame;
		try {
			frame = deserialize(payload) as Frame;
		} catch (error) {
			this.#deps.log.error({ from, err: messageOf(error) }, 'a frame of a sibling worker cannot be read');
			return;
		}
		if (frame.kind === 'messages') {
			this.#receive(frame.messages);
			return;
		}
		for (const settlement of frame.settlements) {
			this.#pending.onSettlement(settlement);
		}
	}

	/** Messages of a sibling that Redis did not take. Those that came by the log all the same have been delivered. */
	#receive(messages: readonly LocalMessage[]): void {
		const unseen = messages.filter(({ mark }) => !this.#deps.position.sequences.hasSeen(mark));
		for (const message of unseen) {
			this.#siblings.add(message.mark.publisher);
			this.#pending.giveUp(message);
		}
		this.#deliver(unseen);
	}

	/** Until the log has brought them, too, clients here are ahead of it. */
	#deliver(messages: readonly LocalMessage[]): void {
		const { namespaces, position, onOutside } = this.#deps;
		for (const { fields } of messages) {
			if (namespaces.has(fields.nsp)) {
				onOutside(fields.nsp, true);
			}
		}
		for (const { fields } of messages) {
			namespaces.deliverOutside(fields, `${position.cursor ?? ''}${OUTSIDE_STREAM}`);
		}
	}
}
