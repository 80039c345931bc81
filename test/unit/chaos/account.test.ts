/** The judge of the ledger must be able to find someone guilty. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { StreamOffset } from '../../../src/stream/offset.ts';
import { Account } from '../../chaos/support/account.ts';
import { Published } from '../../chaos/support/published.ts';

const WRITER = 'writer to red';
const HALL_WRITER = 'writer to hall';
const at = (ms: number): StreamOffset => `${ms}-0` as StreamOffset;

interface Scene {
	readonly account: Account;
	readonly published: Published;
	readonly hear: (...numbers: number[]) => void;
}

/** A writer's messages, acknowledged under the offset of their number; and a client in its room that has just connected. */
function begin(...acknowledged: readonly number[]): Scene {
	const published = new Published();
	for (let number = 1; number <= Math.max(...acknowledged); number++) {
		const message = { room: 'red', sender: WRITER, number };
		published.begin(message);
		if (acknowledged.includes(number)) {
			published.acknowledge(message, at(number));
		}
	}
	const account = new Account('listener', ['red'], published);
	account.onConnect(false);
	const hear = (...numbers: number[]): void => {
		for (const number of numbers) {
			account.onMessage({ room: 'red', sender: WRITER, number, offset: at(number) });
		}
	};
	return { account, published, hear };
}

const sentences = (breaches: readonly { readonly sentence: string }[]): string[] => breaches.map(({ sentence }) => sentence);

test('everything in order, over a recovery, is no breach', () => {
	const { account, hear } = begin(1, 2, 3, 4);
	hear(1, 2);
	account.onConnect(true);
	hear(3, 4);
	assert.deepEqual(account.finalBreaches(), []);
	assert.equal(account.isOwing(), false);
});

test('what is missing is owed until the client is told, and a breach once it is recovered', () => {
	const { account, hear } = begin(1, 2, 3);
	hear(1, 3);
	assert.equal(account.isOwing(), true);
	assert.deepEqual(account.breaches(), []);
	assert.match(sentences(account.finalBreaches()).join(), /2 is missing before 3, and it was not told/);
	account.onConnect(true);
	assert.match(sentences(account.breaches()).join(), /2 is missing before 3, though it was recovered/);
	assert.match(account.history.around(account.breaches()[0]?.at ?? 0), /> .*writer to red: 3 at 3-0/);
});

test('who was told may have missed something, and what was not acknowledged may be missing', () => {
	const told = begin(1, 2, 3);
	told.hear(1, 3);
	told.account.onConnect(false);
	assert.deepEqual(told.account.finalBreaches(), []);
	const unanswered = begin(1, 3);
	unanswered.hear(1, 3, 2);
	assert.match(sentences(unanswered.account.breaches()).join(), /offset 2-0 came after 3-0/);
	assert.equal(unanswered.account.isOwing(), false);
});

test('twice, in another order, and a sender of whom nothing came', () => {
	const twice = begin(1, 2);
	twice.hear(1, 2, 2);
	assert.match(sentences(twice.account.breaches()).join(), /2 came again/);
	const reordered = begin(1, 2, 3);
	reordered.hear(1, 3, 2);
	assert.match(sentences(reordered.account.breaches()).join(), /2 came behind a later one/);
	const silent = begin(2);
	for (const number of [1, 3]) {
		silent.account.onMessage({ room: 'red', sender: 'worker', number: number === 1 ? 1 : 2, offset: at(number) });
	}
	assert.match(sentences(silent.account.finalBreaches()).join(), /writer to red 2 \(2-0\) is missing between 1-0 and 3-0/);
	assert.match(silent.account.history.around(silent.account.finalBreaches()[0]?.at ?? 0), /> .*worker: 2 at 3-0/);
});

describe('stays', () => {
	interface Visit extends Scene {
		/** The writer of the room sends the next one, and Redis takes it. */
		write(offset: number): void;
		/** What it sent under that number comes. */
		receive(number: number, offset: number): void;
		/** Something else comes. */
		pass(offset: number): void;
		join(): void;
		leave(): void;
	}

	/** A client that is out of the hall. */
	function visit(): Visit {
		const scene = begin(1);
		const { account, published } = scene;
		scene.hear(1);
		let numbers = 0;
		return {
			...scene,
			write: (offset) => {
				const message = { room: 'hall', sender: HALL_WRITER, number: ++numbers };
				published.begin(message);
				published.acknowledge(message, at(offset));
			},
			receive: (number, offset) => account.onMessage({ room: 'hall', sender: HALL_WRITER, number, offset: at(offset) }),
			pass: (offset) => account.onOffset(at(offset)),
			join: () => {
				account.onJoining(['hall']);
				account.onJoined(['hall']);
			},
			leave: () => {
				account.onLeaving(['hall']);
				account.onLeft(['hall']);
			},
		};
	}

	test('in and out, with everything between them, is no breach; nor is what comes or does not come around them', () => {
		const { account, write, receive, pass, join, leave } = visit();
		write(2);
		account.onJoining(['hall']);
		write(3);
		write(4);
		receive(3, 4);
		account.onJoined(['hall']);
		write(5);
		receive(4, 5);
		account.onLeaving(['hall']);
		write(6);
		write(7);
		receive(6, 7);
		account.onLeft(['hall']);
		write(8);
		pass(9);
		join();
		write(10);
		receive(8, 10);
		leave();
		pass(11);
		account.onConnect(true);
		assert.deepEqual(account.finalBreaches(), []);
	});

	test('lost: the first one after the join was answered, the last one that was passed before the leave, and one between two others', () => {
		const first = visit();
		first.join();
		first.write(2);
		first.write(3);
		first.receive(2, 3);
		assert.match(sentences(first.account.finalBreaches()).join(), /writer to hall 1 \(2-0\) is missing/);
		assert.equal(first.account.isOwing(), true);
		first.account.onConnect(true);
		assert.match(sentences(first.account.breaches()).join(), /writer to hall 1 \(2-0\) is missing/);

		const last = visit();
		last.join();
		last.write(2);
		last.write(3);
		last.receive(1, 2);
		last.pass(4);
		last.leave();
		assert.match(sentences(last.account.finalBreaches()).join(), /writer to hall 2 \(3-0\) is missing/);

		const between = visit();
		between.join();
		for (const number of [1, 3]) {
			between.account.onMessage({ room: 'hall', sender: 'worker', number, offset: at(number + 1) });
		}
		assert.match(sentences(between.account.finalBreaches()).join(), /worker 2 is missing before 3/);
	});

	test('what the client had not passed when it left, it may not have', () => {
		const { account, write, pass, join, leave } = visit();
		join();
		write(3);
		pass(2);
		leave();
		pass(4);
		assert.deepEqual(account.finalBreaches(), []);
	});

	test('lost over a gap: a recovered client was in its rooms meanwhile, one that was told begins anew', () => {
		const recovered = visit();
		recovered.join();
		recovered.write(2);
		recovered.account.onConnect(true);
		recovered.pass(3);
		assert.match(sentences(recovered.account.finalBreaches()).join(), /writer to hall 1 \(2-0\) is missing/);

		const told = visit();
		told.join();
		told.write(2);
		told.account.onConnect(false);
		told.pass(3);
		assert.deepEqual(told.account.finalBreaches(), []);
		assert.equal(told.account.membershipOf('hall'), 'out');
	});

	test('a declared stay begins with the first message to a room: what is for all may be older', () => {
		const { account, hear } = begin(3, 4);
		account.onConnect(true);
		account.onOffset(at(2));
		hear(4);
		assert.deepEqual(account.finalBreaches(), []);
	});

	test('repeated and out of order: within a stay, and over a leave and a join', () => {
		const within = visit();
		within.join();
		within.write(2);
		within.receive(1, 2);
		within.receive(1, 3);
		assert.match(sentences(within.account.breaches()).join(), /writer to hall 1 came again/);

		const again = visit();
		again.join();
		again.write(2);
		again.receive(1, 2);
		again.leave();
		again.account.onJoining(['hall']);
		again.receive(1, 3);
		assert.match(sentences(again.account.breaches()).join(), /writer to hall 1 came again/);

		const reordered = visit();
		reordered.join();
		reordered.write(2);
		reordered.write(3);
		reordered.receive(2, 3);
		reordered.leave();
		reordered.join();
		reordered.receive(1, 4);
		assert.match(sentences(reordered.account.breaches()).join(), /writer to hall 1 came behind a later one/);
	});

	test('received after a leave that was answered: a breach if it was begun after it', () => {
		const { account, write, receive, join, leave } = visit();
		join();
		write(2);
		leave();
		receive(1, 2);
		assert.deepEqual(account.finalBreaches(), []);
		write(3);
		receive(2, 3);
		assert.match(sentences(account.breaches()).join(), /writer to hall 2 was begun after the client was known to be out of hall, and came/);
	});

	test('what a client said is owed like the rest once its place is known, but not if it has two', () => {
		const message = { room: 'hall', sender: 'worker', number: 1 };
		const { account, published, pass, join } = visit();
		join();
		published.say(message, published.now());
		pass(3);
		assert.deepEqual(account.finalBreaches(), []);
		published.hear(message, at(2));
		assert.match(sentences(account.finalBreaches()).join(), /worker 1 \(2-0\) is missing/);
		published.hear(message, at(4));
		assert.deepEqual(account.finalBreaches(), []);
	});

	test('a recovered client comes back where it was', () => {
		const without = visit();
		without.join();
		without.account.onConnect(true);
		without.account.onRooms(['red']);
		assert.match(sentences(without.account.breaches()).join(), /came back without hall/);

		const left = visit();
		left.join();
		left.leave();
		left.account.onConnect(true);
		left.account.onRooms(['red', 'hall']);
		assert.match(sentences(left.account.breaches()).join(), /came back in hall/);
	});

	test('what was not answered is settled by where the recovered client is', () => {
		const joined = visit();
		joined.account.onJoining(['hall']);
		joined.account.onConnect(true);
		joined.account.onRooms(['red', 'hall']);
		joined.write(2);
		joined.pass(3);
		assert.match(sentences(joined.account.finalBreaches()).join(), /writer to hall 1 \(2-0\) is missing/);

		const out = visit();
		out.join();
		out.account.onLeaving(['hall']);
		out.account.onConnect(true);
		out.account.onRooms(['red']);
		assert.equal(out.account.membershipOf('hall'), 'out');

		// Another's `socketsJoin` may be on its way still.
		const moved = visit();
		moved.account.onJoining(['hall'], true);
		moved.account.onConnect(true);
		moved.account.onRooms(['red']);
		assert.equal(moved.account.membershipOf('hall'), 'joining');
	});

	test('what another sends after it moved the client must be there when the client knows', () => {
		const { account, pass } = visit();
		account.onJoining(['hall'], true);
		pass(3);
		account.onOwed({ room: 'hall', sender: 'worker', number: 1 });
		assert.match(sentences(account.finalBreaches()).join(), /worker 1 is missing before 2/);
	});
});
