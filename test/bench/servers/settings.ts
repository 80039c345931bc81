/** How a server of the benchmarks is told what to be, and how it says that it is up. */
import type { Server } from 'node:net';

export interface Settings {
	readonly workers: number;
	/** Index of a process that is started alone. */
	readonly slot: number;
	readonly redisUrl: string;
	/** How the workers of the bare server get their connections. */
	readonly bare?: 'hand-over' | 'shared';
}

export function readSettings(): Settings {
	return JSON.parse(process.argv[2] ?? '{}') as Settings;
}

/** One line of JSON on standard output. */
export function announce(server: Server): void {
	const address = server.address();
	console.log(JSON.stringify({ port: typeof address === 'object' ? address?.port : undefined }));
}
