/** `socketfleet status`: asks a pod's admin port, prints a table. */
import { type AdminAddress, requestAdmin } from './fleet/admin-request.ts';
import { type PodStatus, stateOf } from './fleet/pod-status.ts';
import { formatMebibytes } from './terminal/format.ts';
import { renderTable } from './terminal/table.ts';

const TIMEOUT_MS = 5000;

/** Throws ERR_UNREACHABLE, or ERR_UNAUTHORIZED. */
export async function runStatus({ json = false, ...address }: AdminAddress & { readonly json?: boolean }): Promise<void> {
	const response = await requestAdmin(address, '/status', AbortSignal.timeout(TIMEOUT_MS));
	const status = (await response.json()) as PodStatus;
	process.stdout.write(json ? `${JSON.stringify(status, undefined, 2)}\n` : renderStatus(status));
}

function renderStatus(status: PodStatus): string {
	const { pod, fleet, version, connections, tunnels, pods, reasons, workers } = status;
	const table = renderTable(
		['WORKER', 'STATE', 'PID', 'SESSIONS', 'RSS', 'FAILURES'],
		workers.map(({ slot, state, pid, sessions, rssBytes, failures }) => [slot, state, pid, sessions, formatMebibytes(rssBytes), failures]),
	);
	return [
		`pod ${pod} of fleet ${fleet}, socketfleet ${version}: ${stateOf(status)}`,
		`connections ${connections}, tunnels ${tunnels}, pods known ${pods.join(' ')}`,
		...reasons.map((reason) => `! ${reason}`),
		'',
		table,
	].join('\n');
}
