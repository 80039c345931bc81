/** The admin port of a pod: its metrics, and what an operator asks of it. Every request has a deadline. */
import { AppError, messageOf } from '../base/errors.ts';
import type { FleetPod } from '../fleet/pods.ts';
import { parseReasons } from '../fleet/readings.ts';

export interface PodAdmin {
	/** The text of its metrics. Throws ERR_UNREACHABLE or ERR_UNAUTHORIZED, as all of them. */
	metrics(pod: Address, token: string): Promise<string>;
	/** What the pod itself says is wrong with it, as sentences. */
	reasons(pod: Address): Promise<readonly string[]>;
	/** Out of service: readiness fails, then its connections are closed. */
	cordon(pod: Address, token: string, pace: DrainPace): Promise<void>;
	uncordon(pod: Address, token: string): Promise<void>;
	/** Closes so many connections, evenly over the time. */
	shed(pod: Address, token: string, connections: number, spreadMs: number): Promise<void>;
}

export type Address = Pick<FleetPod, 'name' | 'ip'>;

export interface DrainPace {
	/** Until the first close: load balancers notice within this. */
	readonly delayMs: number;
	readonly spreadMs: number;
	/** The pod takes longer than `spreadMs` where this asks for it; 0: no limit. */
	readonly maxPerSecond: number;
}

const ADMIN_PORT = 9464;
const TIMEOUT_MS = 2000;

/** `adminPort` differs from the fleets' only in tests. */
export function createPodAdmin(adminPort = ADMIN_PORT): PodAdmin {
	const call = async (pod: Address, method: string, path: string, token: string, accepts: readonly number[] = []): Promise<string> => {
		const host = pod.ip.includes(':') ? `[${pod.ip}]` : pod.ip;
		const headers: Record<string, string> = token === '' ? {} : { authorization: `Bearer ${token}` };
		let response: Response;
		try {
			response = await fetch(`http://${host}:${adminPort}${path}`, { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
			const text = await response.text();
			if (response.ok || accepts.includes(response.status)) {
				return text;
			}
		} catch (error) {
			throw new AppError('ERR_UNREACHABLE', `pod ${pod.name} does not answer: ${messageOf(error)}`, { cause: error });
		}
		const code = response.status === 401 ? 'ERR_UNAUTHORIZED' : 'ERR_UNREACHABLE';
		throw new AppError(code, `pod ${pod.name} answered ${method} ${path.split('?')[0]} with ${response.status}`);
	};
	return {
		metrics: (pod, token) => call(pod, 'GET', '/metrics', token),
		reasons: async (pod) => parseReasons(await call(pod, 'GET', '/readyz', '', [503])),
		cordon: async (pod, token, { delayMs, spreadMs, maxPerSecond }) => {
			await call(pod, 'POST', `/drain?delayMs=${delayMs}&spreadMs=${spreadMs}&maxPerSecond=${maxPerSecond}`, token);
		},
		uncordon: async (pod, token) => {
			await call(pod, 'DELETE', '/drain', token);
		},
		shed: async (pod, token, connections, spreadMs) => {
			await call(pod, 'POST', `/rebalance?connections=${connections}&spreadMs=${spreadMs}`, token);
		},
	};
}
