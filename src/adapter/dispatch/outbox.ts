/**
 * What this worker publishes, until it comes back from the stream and is delivered like everything else. What Redis does not take in time
 * is delivered in this pod at once, without an offset that recovery would trust, and not again when the stream brings it later.
 */
import type { Closable } from '../../base/lifecycle.ts';
import type { EntryFields, PublisherMark } from '../../stream/entry.ts';
import type { StreamOffset } from '../../stream/offset.ts';
import type { Publisher } from '../../stream/publisher.ts';
import type { Deliveries } from './deliveries.ts';
import { type LocalMessage, PendingMessages } from './pending-messages.ts';

export interface OwnMessagesDeps {
	readonly deliveries: Deliveries;
	cursor(): StreamOffset | undefined;
	/** Whether the stream has brought that message. */
	hasSeen(mark: PublisherMark): boolean;
	/**
	 * Clients of that namespace are ahead of the stream (`true`), or the stream has caught up with them (`false`): until then nobody can
	 * be recovered, and after it only who has seen a later entry.
	 */
	onOutside(nsp: string, isOutside: boolean): void;
	/** Messages that Redis does not take: for the other workers of the pod. */
	share(messages: readonly LocalMessage[]): void;
}

/** The last part of an offset that no entry has: recovery over it would repeat or miss what was delivered without the stream. */
export const OUTSIDE_STREAM = '~';
const ECHO_CHECK_MS = 250;

export class OwnMessages implements Closable {
	readonly #deps: OwnMessagesDeps;
	readonly #pending = new PendingMessages();
	readonly #timer: NodeJS.Timeout;
	#publisher: Publisher | undefined;
	#rooms: readonly unknown[] = [];

	constructor(deps: OwnMessagesDeps) {
		this.#deps = deps;
		this.#timer = setInterval(() => this.#checkEchoes(), ECHO_CHECK_MS);
		this.#timer.unref();
	}

	setPublisher(publisher: Publisher): void {
		this.#publisher = publisher;
	}

	/** The rooms that the message which `send` publishes is for travel beside it. */
	withRooms<T>(rooms: readonly unknown[], send: () => T): T {
		this.#rooms = rooms;
		try {
			return send();
		} finally {
			this.#rooms = [];
		}
	}

	publish(fields: EntryFields): void {
		const mark = this.#publisher?.publish({ fields, rooms: this.#rooms });
		if (mark) {
			this.#pending.add(mark, fields);
		}
	}

	onPublished(mark: PublisherMark): void {
		this.#pending.onPublished(mark);
	}

	/** That message and all before it are delivered in this pod. */
	onPublishLate(mark: PublisherMark): void {
		this.#giveUp(this.#pending.giveUpTo(mark));
	}

	/** Messages of a sibling that Redis did not take. Those that came by the stream all the same have been delivered. */
	receiveLocal(messages: readonly LocalMessage[]): void {
		const unseen = messages.filter(({ mark }) => !this.#deps.hasSeen(mark));
		for (const message of unseen) {
			this.#pending.giveUp(message);
		}
		this.#deliver(unseen);
	}

	/** Whether clients of that namespace, or of any, are ahead of the stream. */
	isOutside(nsp?: string): boolean {
		return nsp === undefined ? this.#pending.hasOutside : this.#pending.isOutside(nsp);
	}

	/** Whether that message was delivered here without the stream. */
	hasGivenUp(mark: PublisherMark): boolean {
		return this.#pending.hasGivenUp(mark);
	}

	/** Whether messages of this worker that were published before that one have not come back. */
	isWaitingBefore(publisher: string, sequence: number): boolean {
		return this.#pending.isWaitingBefore({ publisher, sequence });
	}

	/** What should have come back before that one will not come any more. */
	deliverPassedOver(mark: PublisherMark): void {
		this.#hand(this.#pending.passedOverBy(mark));
	}

	/** What was delivered here before that one, and has not come, will not come any more. */
	settleBefore(mark: PublisherMark): void {
		this.#endOutside(this.#pending.settleBefore(mark));
	}

	/** The reader begins, or goes on after a gap: what Redis has may lie before that. */
	forgetPublished(): void {
		this.#pending.forgetPublished();
	}

	/** The stream has brought that message. True when it was delivered here before. */
	arrive(nsp: string, mark: PublisherMark): boolean {
		if (this.#pending.onArrival(mark) !== 'echo') {
			return false;
		}
		if (!this.#pending.isOutside(nsp)) {
			this.#deps.onOutside(nsp, false);
		}
		return true;
	}

	/** The stream has brought a run of messages, none of which was delivered here before. */
	arriveAll(publisher: string, first: number, last: number): void {
		if (this.#pending.isOwn(publisher)) {
			for (let sequence = first; sequence <= last; sequence++) {
				this.#pending.onArrival({ publisher, sequence });
			}
		}
	}

	close(): void {
		clearInterval(this.#timer);
	}

	#checkEchoes(): void {
		this.#giveUp(this.#pending.giveUpOverdue());
		this.#endOutside(this.#pending.settleOld());
	}

	#endOutside(namespaces: readonly string[]): void {
		for (const nsp of namespaces) {
			this.#deps.onOutside(nsp, false);
		}
	}

	#giveUp(messages: readonly LocalMessage[]): void {
		if (messages.length > 0) {
			this.#deliver(messages);
			this.#deps.share(messages);
		}
	}

	/** Until the stream has brought them, too, clients here are ahead of it. */
	#deliver(messages: readonly LocalMessage[]): void {
		for (const { fields } of messages) {
			if (this.#deps.deliveries.namespaces.has(fields.nsp)) {
				this.#deps.onOutside(fields.nsp, true);
			}
		}
		this.#hand(messages);
	}

	#hand(messages: readonly LocalMessage[]): void {
		for (const { fields } of messages) {
			this.#deps.deliveries.deliverOutside(fields, `${this.#deps.cursor() ?? ''}${OUTSIDE_STREAM}`);
		}
	}
}
