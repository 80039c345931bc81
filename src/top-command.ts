/** `socketfleet top`: one pod live, from the events that its status page is made of. */
import { sleep } from './base/deadline.ts';
import { AppError, messageOf } from './base/errors.ts';
import { type AdminAddress, requestAdmin } from './fleet/admin-request.ts';
import { readStatuses } from './fleet/status-stream.ts';
import { renderPodTop, runTop, TopBoard } from './fleet/top.ts';
import { createScreen } from './terminal/screen.ts';

export interface TopOptions extends AdminAddress {
	readonly intervalMs: number;
	readonly once: boolean;
}

const RETRY_MS = 1000;

/** Until SIGINT or SIGTERM. Throws ERR_UNREACHABLE or ERR_UNAUTHORIZED when the first request fails; later ones are tried again. */
export async function runTopCommand({ intervalMs, once, ...address }: TopOptions): Promise<void> {
	const ending = new AbortController();
	const end = (): void => ending.abort();
	process.once('SIGINT', end).once('SIGTERM', end);
	const screen = createScreen(process.stdout);
	const board = new TopBoard();
	board.add(address.url);
	try {
		const first = await requestAdmin(address, '/status/stream', ending.signal);
		const reading = readOn(board, address, first, ending.signal);
		await runTop({ board, screen, render: () => renderPodTop(board, address.url), intervalMs, once, signal: ending.signal });
		end();
		await reading;
	} finally {
		screen.close();
	}
}

/** Reads the stream, and begins anew when it ends: a pod that is restarted on this host is watched on. */
async function readOn(board: TopBoard, address: AdminAddress, first: Response, signal: AbortSignal): Promise<void> {
	let response: Response | undefined = first;
	while (!signal.aborted) {
		try {
			response ??= await requestAdmin(address, '/status/stream', signal);
			for await (const status of readStatuses(response.body ?? emptyBody())) {
				board.note(address.url, { status, atMs: performance.now() });
			}
			board.lose(address.url, 'the pod has ended the connection');
		} catch (error) {
			board.lose(address.url, error instanceof AppError ? error.message : `the connection broke: ${messageOf(error)}`);
		}
		response = undefined;
		await sleep(RETRY_MS, signal);
	}
}

function emptyBody(): never {
	throw new AppError('ERR_UNREACHABLE', 'the pod sent no body');
}
