/** Many stock clients in a process of their own: `many-clients.ts <url> <count>`; answers every message with its counts. */
import { io } from 'socket.io-client';

export interface ManyClientsReport {
	/** Clients that are connected now. */
	readonly connected: number;
	/** Clients that came back at least once. */
	readonly returned: number;
	/** Clients that came back and were told that they missed nothing. */
	readonly recovered: number;
	/** By text of the event `heard`: how many clients got it once, and how many more often. */
	readonly heard: Readonly<Record<string, { readonly once: number; readonly again: number }>>;
}

const [url = '', count = '0'] = process.argv.slice(2);

const clients = Array.from({ length: Number(count) }, () => {
	const socket = io(url, { transports: ['websocket'], forceNew: true, timeout: 60_000 });
	const heard = new Map<string, number>();
	const client = { socket, heard, connects: 0, recovered: false };
	socket.on('connect', () => {
		client.connects++;
		client.recovered = socket.recovered;
	});
	socket.on('heard', (text: string) => heard.set(text, (heard.get(text) ?? 0) + 1));
	return client;
});

function report(): ManyClientsReport {
	const texts = new Set(clients.flatMap(({ heard }) => [...heard.keys()]));
	const counts = [...texts].map((text) => {
		const times = clients.map(({ heard }) => heard.get(text) ?? 0);
		return [text, { once: times.filter((time) => time === 1).length, again: times.filter((time) => time > 1).length }] as const;
	});
	return {
		connected: clients.filter(({ socket }) => socket.connected).length,
		returned: clients.filter(({ connects }) => connects > 1).length,
		recovered: clients.filter(({ connects, recovered }) => connects > 1 && recovered).length,
		heard: Object.fromEntries(counts),
	};
}

process.on('message', () => process.send?.(report()));
process.on('disconnect', () => process.exit(0));
