/** The judge of the ledger must be able to find someone guilty. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamOffset } from '../../../src/stream/offset.ts';
import { Account, Published } from '../../chaos/support/account.ts';

const WRITER = 'writer to red';
const at = (ms: number): StreamOffset => `${ms}-0` as StreamOffset;

/** A writer's messages, acknowledged under the offset of their number; and a client in its room that has just connected. */
function begin(...acknowledged: readonly number[]): { account: Account; published: Published; hear: (...numbers: number[]) => void } {
	const published = new Published();
	published.addWriter(WRITER);
	for (const number of acknowledged) {
		published.add({ id: at(number), room: 'red', sender: WRITER, number });
	}
	const account = new Account('listener', ['red']);
	account.onConnect(false);
	const hear = (...numbers: number[]): void => {
		for (const number of numbers) {
			account.onMessage({ sender: WRITER, number, offset: at(number) });
		}
	};
	return { account, published, hear };
}

const sentences = (breaches: readonly { readonly sentence: string }[]): string[] => breaches.map(({ sentence }) => sentence);

test('everything in order, over a recovery, is no breach', () => {
	const { account, published, hear } = begin(1, 2, 3, 4);
	hear(1, 2);
	account.onConnect(true);
	hear(3, 4);
	assert.deepEqual(account.finalBreaches(published), []);
	assert.equal(account.isOwing(published), false);
});

test('what is missing is owed until the client is told, and a breach once it is recovered', () => {
	const { account, published, hear } = begin(1, 2, 3);
	hear(1, 3);
	assert.equal(account.isOwing(published), true);
	assert.deepEqual(account.breaches(published), []);
	assert.match(sentences(account.finalBreaches(published)).join(), /2 is missing before 3, and it was not told/);
	account.onConnect(true);
	assert.match(sentences(account.breaches(published)).join(), /2 is missing before 3, though it was recovered/);
	assert.match(account.history.around(account.breaches(published)[0]?.at ?? 0), /> .*writer to red: 3 at 3-0/);
});

test('who was told may have missed something, and what was not acknowledged may be missing', () => {
	const told = begin(1, 2, 3);
	told.hear(1, 3);
	told.account.onConnect(false);
	assert.deepEqual(told.account.finalBreaches(told.published), []);
	const unanswered = begin(1, 3);
	unanswered.hear(1, 3, 2);
	assert.match(sentences(unanswered.account.breaches(unanswered.published)).join(), /offset 2-0 came after 3-0/);
	assert.equal(unanswered.account.isOwing(unanswered.published), false);
});

test('twice, in another order, and a sender of whom nothing came', () => {
	const twice = begin(1, 2);
	twice.hear(1, 2, 2);
	assert.match(sentences(twice.account.breaches(twice.published)).join(), /2 came again/);
	const reordered = begin(1, 2, 3);
	reordered.hear(1, 3, 2);
	assert.match(sentences(reordered.account.breaches(reordered.published)).join(), /2 came behind a later one/);
	const silent = begin(2);
	for (const number of [1, 3]) {
		silent.account.onMessage({ sender: 'worker', number: number === 1 ? 1 : 2, offset: at(number) });
	}
	assert.match(sentences(silent.account.finalBreaches(silent.published)).join(), /writer to red 2 \(2-0\) is missing between 1-0 and 3-0/);
});
