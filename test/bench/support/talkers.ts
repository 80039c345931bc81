/** Clients that talk in rooms: each says something, and says the next thing when its own words have come back. */
import type { Scope } from '../../support/redis-server.ts';
import { waitFor } from '../../support/wait.ts';
import { SocketClient, sourceAddress } from './socket-client.ts';

export interface Room {
	readonly name: string;
	readonly members: number;
	/** How many of the members talk. */
	readonly talkers: number;
	/** All members are in this worker; undefined: wherever they come to be. */
	readonly worker?: number;
}

export interface TalkOptions {
	readonly messages: number;
	/** `io.local`: not offered to other workers. */
	readonly local: boolean;
}

const MAX_TRIES = 500;

export class Talkers {
	readonly #clients: SocketClient[] = [];
	readonly #talkers: { readonly client: SocketClient; readonly room: Room }[] = [];
	/** By talker: called when its words have come back. */
	readonly #heard = new Map<number, () => void>();
	#tries = 0;
	#received = 0;

	/** `urls`: of the independent processes that the rooms are spread over, or one of a whole pod. */
	static async connect(scope: Scope, urls: readonly string[], rooms: readonly Room[]): Promise<Talkers> {
		const talkers = new Talkers();
		scope.after(() => {
			for (const client of talkers.#clients) {
				client.drop();
			}
		});
		for (const room of rooms) {
			for (let index = 0; index < room.members; index++) {
				await talkers.#add(urls, room, index < room.talkers);
			}
		}
		return talkers;
	}

	/** Messages that clients have received. */
	get received(): number {
		return this.#received;
	}

	/** Resolves when the talkers together have said `messages` and every member has heard them. */
	async talk({ messages, local }: TalkOptions): Promise<void> {
		const each = Math.ceil(messages / this.#talkers.length);
		const due = this.#received + this.#talkers.reduce((sum, { room }) => sum + each * room.members, 0);
		await Promise.all(
			this.#talkers.map(async ({ client, room }, talker) => {
				for (let count = 0; count < each; count++) {
					await new Promise<void>((resolve) => {
						this.#heard.set(talker, resolve);
						client.emit(local ? 'say-local' : 'say', room.name, talker);
					});
				}
			}),
		);
		await waitFor('the last messages to arrive', () => this.#received >= due);
	}

	async #add(urls: readonly string[], room: Room, talks: boolean): Promise<void> {
		const me = talks ? this.#talkers.length : undefined;
		const client = await this.#connectTo(urls, room.worker, (talker) => {
			this.#received++;
			if (talker === me && me !== undefined) {
				this.#heard.get(me)?.();
			}
		});
		await client.request('join', room.name);
		this.#clients.push(client);
		if (talks) {
			this.#talkers.push({ client, room });
		}
	}

	/** The source address decides about the worker: tries addresses until it is the wanted one. */
	async #connectTo(urls: readonly string[], worker: number | undefined, onSaid: (talker: unknown) => void): Promise<SocketClient> {
		for (let tries = 0; tries < MAX_TRIES; tries++) {
			const url = urls[tries % urls.length] ?? '';
			const localAddress = sourceAddress(this.#tries++);
			const client = await SocketClient.connect(url, { localAddress, onEvent: (_name, [talker]) => onSaid(talker) });
			if (worker === undefined || (await client.request('where')) === worker) {
				return client;
			}
			await client.close();
		}
		throw new Error(`no client came to worker ${worker} in ${MAX_TRIES} tries`);
	}
}
