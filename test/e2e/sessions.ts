/** Many whole sessions, one way after the other: most of them spoken by hand, a share by the stock client. */
import { Agent } from 'node:http';
import { messageOf } from '../../src/base/errors.ts';
import { runSession, WAYS } from './clients.ts';
import { runLightSession } from './light-session.ts';

/** Of so many sessions one is a stock client's: they cost this process more. */
const STOCK_SHARE = 20;
const AT_ONCE = 40;

export interface Outcome {
	readonly sessions: number;
	readonly byStockClients: number;
	/** Pods that had some. */
	readonly places: ReadonlySet<string>;
	readonly failures: readonly string[];
}

/** `perWay` sessions over each of polling, upgrade and WebSocket. */
export async function runSessions(url: string, perWay: number, cookies: boolean): Promise<Outcome> {
	const queue = WAYS.flatMap((way) => Array.from({ length: perWay }, (_each, index) => ({ way, stock: index % STOCK_SHARE === 0 })));
	const sessions = queue.length;
	const byStockClients = queue.filter(({ stock }) => stock).length;
	const places = new Set<string>();
	const failures: string[] = [];
	const agent = new Agent({ keepAlive: true });
	const runNext = async (): Promise<void> => {
		for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
			const { way, stock } = next;
			try {
				const { pod } = await (stock ? runSession(url, way, { cookies }) : runLightSession(url, way, { agent, cookies }));
				places.add(pod);
			} catch (error) {
				failures.push(`${way}${stock ? ', stock client' : ''}: ${messageOf(error)}`);
			}
		}
	};
	await Promise.all(Array.from({ length: AT_ONCE }, runNext));
	agent.destroy();
	return { sessions, byStockClients, places, failures };
}
