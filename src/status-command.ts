/** `socketfleet status`: asks a pod's admin port, prints a table. */
import { AppError, messageOf } from './base/errors.ts';

export interface StatusOptions {
	readonly url: string;
	readonly token?: string;
	readonly json?: boolean;
}

interface StatusBody {
	readonly version: string;
	readonly pod: string;
	readonly fleet: string;
	readonly pods: readonly string[];
	readonly ready: boolean;
	readonly draining: boolean;
	readonly reasons: readonly string[];
	readonly connections: number;
	readonly tunnels: number;
	readonly workers: readonly { slot: number; state: string; pid?: number; sessions?: number; rssBytes?: number; failures: number }[];
}

const TIMEOUT_MS = 5000;
const MIB = 1_048_576;

/** Throws ERR_UNREACHABLE, or ERR_UNAUTHORIZED. */
export async function runStatus(options: StatusOptions): Promise<void> {
	const body = await fetchStatus(options);
	process.stdout.write(options.json ? `${JSON.stringify(body, undefined, 2)}\n` : renderStatus(body));
}

async function fetchStatus({ url, token }: StatusOptions): Promise<StatusBody> {
	const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
	let response: Response;
	try {
		response = await fetch(new URL('/status', url), { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
	} catch (error) {
		const why = error instanceof Error && error.cause instanceof Error ? error.cause.message : messageOf(error);
		throw new AppError('ERR_UNREACHABLE', `no pod answers at ${url}: ${why}; start one with "socketfleet serve", or give --url`);
	}
	if (response.status === 401) {
		throw new AppError('ERR_UNAUTHORIZED', `the pod at ${url} wants its admin token: give --token`);
	}
	if (!response.ok) {
		throw new AppError('ERR_UNREACHABLE', `the pod at ${url} answered ${response.status}: is it the admin port?`);
	}
	return (await response.json()) as StatusBody;
}

function renderStatus(body: StatusBody): string {
	const state = body.draining ? 'draining' : body.ready ? 'ready' : 'not ready';
	const lines = [
		`pod ${body.pod} of fleet ${body.fleet}, socketfleet ${body.version}: ${state}`,
		`connections ${body.connections}, tunnels ${body.tunnels}, pods known ${body.pods.join(' ')}`,
		...body.reasons.map((reason) => `! ${reason}`),
		'',
		row(['WORKER', 'STATE', 'PID', 'SESSIONS', 'RSS', 'FAILURES']),
		...body.workers.map(({ slot, state: each, pid, sessions, rssBytes, failures }) =>
			row([slot, each, pid ?? '-', sessions ?? '-', rssBytes === undefined ? '-' : `${Math.round(rssBytes / MIB)} MiB`, failures]),
		),
	];
	return `${lines.join('\n')}\n`;
}

function row(cells: readonly (string | number)[]): string {
	return cells
		.map((cell) => String(cell).padEnd(10))
		.join('')
		.trimEnd();
}
