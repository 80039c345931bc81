/** Events on an object: what was decided and why, for `kubectl describe`. The same one again raises a count, at most once a minute. */
import { createHash } from 'node:crypto';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { KubeClient } from './client.ts';
import { toKubeTime } from './conditions.ts';
import { isFailure } from './errors.ts';
import { type KubeObject, pickNumber, RESOURCES } from './object.ts';

export interface EventInput {
	readonly type: 'Normal' | 'Warning';
	/** One CamelCase word. */
	readonly reason: string;
	/** A sentence. */
	readonly message: string;
}

export interface EventRecorderOptions {
	readonly client: KubeClient;
	readonly component: string;
	readonly instance: string;
	readonly log: Logger;
	readonly now?: () => Date;
}

const REPEAT_MS = 60_000;
const MAX_REMEMBERED = 2000;

export class EventRecorder {
	readonly #options: EventRecorderOptions;
	/** Name of the Event -> when it was last written; the oldest first. */
	readonly #written = new Map<string, number>();

	constructor(options: EventRecorderOptions) {
		this.#options = options;
	}

	/** Never throws: an Event that can't be written is logged. */
	async record(about: KubeObject, event: EventInput): Promise<void> {
		const { client, log, now = () => new Date() } = this.#options;
		const object = this.#build(about, event, toKubeTime(now()));
		if (!this.#isDue(object.metadata.name, now().getTime())) {
			return;
		}
		try {
			await client.create(RESOURCES.Event, object);
		} catch (error) {
			if (isFailure(error, 'already-exists')) {
				await this.#raise(object);
			} else {
				log.warn({ reason: event.reason, err: messageOf(error) }, 'an Event could not be written');
			}
		}
	}

	#isDue(name: string, at: number): boolean {
		const last = this.#written.get(name);
		if (last !== undefined && at - last < REPEAT_MS) {
			return false;
		}
		this.#written.delete(name);
		this.#written.set(name, at);
		const [oldest] = this.#written.keys();
		if (this.#written.size > MAX_REMEMBERED && oldest !== undefined) {
			this.#written.delete(oldest);
		}
		return true;
	}

	async #raise(object: KubeObject): Promise<void> {
		const { client, component, log } = this.#options;
		const { name, namespace = '' } = object.metadata;
		try {
			const known = await client.get(RESOURCES.Event, { name, namespace });
			const body = { count: pickNumber(known, ['count'], 1) + 1, lastTimestamp: object.lastTimestamp };
			await client.patch(RESOURCES.Event, { name, namespace }, body, component);
		} catch (error) {
			log.warn({ event: name, err: messageOf(error) }, 'the count of an Event could not be raised');
		}
	}

	/** The name is made of what the Event says, so that the same one is the same object, whichever process writes it. */
	#build(about: KubeObject, { type, reason, message }: EventInput, time: string): KubeObject {
		const { name, namespace = 'default', uid = '' } = about.metadata;
		const hash = createHash('sha1').update(`${uid} ${type} ${reason} ${message}`).digest('hex').slice(0, 16);
		return {
			apiVersion: 'v1',
			kind: 'Event',
			metadata: { name: `${name}.${hash}`, namespace },
			involvedObject: { apiVersion: about.apiVersion, kind: about.kind, name, namespace, uid },
			type,
			reason,
			message: message.slice(0, 1024),
			count: 1,
			firstTimestamp: time,
			lastTimestamp: time,
			source: { component: this.#options.component },
			reportingComponent: this.#options.component,
			reportingInstance: this.#options.instance,
		};
	}
}
