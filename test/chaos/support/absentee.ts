/** A client that is away for long: it hears nothing, and has everything when it comes back. */
import assert from 'node:assert/strict';
import { timeOfOffset } from '../../../src/stream/offset.ts';
import type { Scope } from '../../support/redis-server.ts';
import { waitFor } from '../../support/wait.ts';
import { Account } from './account.ts';
import type { Stage } from './ledger.ts';
import { openListener, Said } from './listener.ts';

export interface Absentee {
	/**
	 * Resolves when it is back, to whether it was recovered. Rejects when it was, and when anything is missing, came twice or out of order up to
	 * what was sent after its return.
	 */
	comeBack(): Promise<boolean>;
}

/** Enough that several workers have said something. */
const HEARD = 20;
const WAIT = { timeoutMs: 60_000, everyMs: 20 };

/**
 * It has been in that room for a moment, and loses its connection without a word. As it joined the room by a request it is owed what clients
 * said there, too.
 */
export async function goAway(t: Scope, { url, published }: Stage, name: string, room: string): Promise<Absentee> {
	const account = new Account(name, [], published);
	const { socket } = openListener(t, { url, account, published, said: new Said(), insists: false });
	await waitFor(`${name} to be connected`, () => socket.connected, WAIT);
	account.onJoining([room]);
	await socket.timeout(WAIT.timeoutMs).emitWithAck('join', [room]);
	account.onJoined([room]);
	await waitFor(`${name} to hear something`, () => account.counts.heard >= HEARD, WAIT);
	socket.io.reconnection(false);
	socket.io.engine.close();
	return {
		comeBack: async () => {
			socket.io.reconnection(true);
			socket.connect();
			await waitFor(`${name} to be connected`, () => socket.connected, WAIT);
			if (!socket.recovered) {
				socket.disconnect();
				return false;
			}
			const backAt = Date.now();
			await waitFor(`${name} to hear something new`, () => account.lastOffset && timeOfOffset(account.lastOffset) > backAt, WAIT);
			const [first] = account.finalBreaches();
			assert.equal(first, undefined, `${name}: ${first?.sentence}\n${first && account.history.around(first.at)}`);
			socket.disconnect();
			return true;
		},
	};
}
