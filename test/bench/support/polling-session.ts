/** A Socket.IO session of the default namespace over HTTP long-polling, for one user at a time. */
import { type Agent, request } from 'node:http';

/** Separates the packets of a payload. https://socket.io/docs/v4/engine-io-protocol/ */
const RECORD_SEPARATOR = '\x1e';
const UNKNOWN_SESSION_CODE = 1;
const REQUEST_TIMEOUT_MS = 30_000;

/** What happened to the requests of all sessions. */
export interface PollingTally {
	completed: number;
	misrouted: number;
	failed: number;
}

/** The session can't go on: a request of it was not answered 200. */
export class SessionBroken extends Error {}

export class PollingSession {
	readonly #url: string;
	readonly #agent: Agent;
	readonly #tally: PollingTally;
	#sid = '';
	#unread: string[] = [];

	constructor(url: string, agent: Agent, tally: PollingTally) {
		this.#url = url;
		this.#agent = agent;
		this.#tally = tally;
	}

	/** Every method rejects with SessionBroken when a request fails. */
	async open(): Promise<void> {
		const [handshake = ''] = (await this.#send('GET')).split(RECORD_SEPARATOR);
		this.#sid = (JSON.parse(handshake.slice(1)) as { sid: string }).sid;
		await this.#send('POST', '40');
		await this.#readUntil((packet) => packet.startsWith('40'));
	}

	/** Sends a number and reads until it has come back. */
	async echo(value: number): Promise<void> {
		const packet = `42${JSON.stringify(['echo', value])}`;
		await this.#send('POST', packet);
		await this.#readUntil((received) => received === packet);
	}

	async close(): Promise<void> {
		await this.#send('POST', '1');
	}

	async #readUntil(isWanted: (packet: string) => boolean): Promise<void> {
		for (;;) {
			for (let packet = this.#unread.shift(); packet !== undefined; packet = this.#unread.shift()) {
				if (packet === '2') {
					await this.#send('POST', '3');
				} else if (isWanted(packet)) {
					return;
				}
			}
			this.#unread = (await this.#send('GET')).split(RECORD_SEPARATOR);
		}
	}

	#send(method: 'GET' | 'POST', body?: string): Promise<string> {
		const sid = this.#sid === '' ? '' : `&sid=${this.#sid}`;
		const options = { agent: this.#agent, method, timeout: REQUEST_TIMEOUT_MS };
		return new Promise((resolve, reject) => {
			const fail = (reason: string): void => {
				this.#tally.failed++;
				reject(new SessionBroken(reason));
			};
			const outgoing = request(`${this.#url}/socket.io/?EIO=4&transport=polling${sid}`, options, (answer) => {
				let text = '';
				answer.setEncoding('utf8').on('data', (chunk: string) => {
					text += chunk;
				});
				answer.on('error', (error) => fail(error.message));
				answer.on('end', () => {
					if (answer.statusCode === 200) {
						this.#tally.completed++;
						resolve(text);
					} else if (isUnknownSession(text)) {
						this.#tally.misrouted++;
						reject(new SessionBroken('misrouted'));
					} else {
						fail(`${answer.statusCode} ${text}`);
					}
				});
			});
			outgoing.on('timeout', () => outgoing.destroy(new Error('no answer')));
			outgoing.on('error', (error) => fail(error.message));
			outgoing.end(body);
		});
	}
}

function isUnknownSession(text: string): boolean {
	return text.startsWith('{') && (JSON.parse(text) as { code?: number }).code === UNKNOWN_SESSION_CODE;
}
