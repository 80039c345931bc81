import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Look, RollCall } from '../../../../src/adapter/servers/roll-call.ts';

const SELF = 'self';
const KNOWN = new Map([
	['b', 'BBBB/0'],
	['c', 'CCCC/0'],
]);
const NEW = new Map([['new', 'DDDD/0']]);

/** `present` listen, and `strangers` beside them. */
function look(sought: readonly string[], present: readonly string[], strangers = 0): Look {
	return { listening: present.length + strangers, sought: new Set(sought), present: new Set(present) };
}

async function isOver(rollCall: RollCall): Promise<boolean> {
	return Promise.race([rollCall.over.then(() => true), new Promise<boolean>((resolve) => setImmediate(resolve, false))]);
}

test('it is over when all who are known have answered, and nobody else listens', async () => {
	const rollCall = new RollCall(KNOWN);
	rollCall.take('b');
	rollCall.count(look([SELF, 'b', 'c'], [SELF, 'b', 'c']), KNOWN);
	assert.deepEqual(rollCall.waiting, ['c']);
	assert.equal(await isOver(rollCall), false);
	rollCall.take('c');
	assert.equal(await isOver(rollCall), true);
	assert.deepEqual(rollCall.missing, []);
});

test('answers alone do not end it: others may listen, who are not known', async () => {
	const rollCall = new RollCall(KNOWN);
	rollCall.take('b');
	rollCall.take('c');
	assert.equal(await isOver(rollCall), false);
	rollCall.count(look([SELF, 'b', 'c'], [SELF, 'b', 'c'], 1), KNOWN);
	assert.equal(await isOver(rollCall), false);
	rollCall.take('official');
	assert.equal(await isOver(rollCall), true);
});

test('who is not known and answers before the first count is not waited for again', async () => {
	const rollCall = new RollCall(new Map());
	rollCall.take('official');
	rollCall.count(look([SELF], [SELF], 1), new Map());
	assert.equal(await isOver(rollCall), true);
});

test('a server that is dead and one that is not known are not taken for each other', async () => {
	const rollCall = new RollCall(KNOWN);
	rollCall.count(look([SELF, 'b', 'c'], [SELF, 'b'], 1), KNOWN);
	rollCall.take('b');
	rollCall.forget('c', 'gone');
	assert.equal(await isOver(rollCall), false);
	assert.deepEqual(rollCall.missing, ['unknown']);
	rollCall.take('official');
	assert.equal(await isOver(rollCall), true);
});

test('who goes while the answer is waited for is not waited for, and who comes has not been asked', async () => {
	const rollCall = new RollCall(new Map());
	rollCall.count(look([SELF], [SELF], 2), new Map());
	rollCall.count(look([SELF], [SELF], 3), new Map());
	assert.deepEqual(rollCall.missing, ['unknown', 'unknown']);
	rollCall.count(look([SELF, 'new'], [SELF, 'new'], 2), NEW);
	assert.deepEqual(rollCall.missing, ['unknown', 'unknown']);
	rollCall.count(look([SELF, 'new'], [SELF, 'new'], 0), NEW);
	assert.equal(await isOver(rollCall), true);
	assert.deepEqual(rollCall.missing, []);
});

test('who becomes known while the answer is waited for is waited for by name', async () => {
	const rollCall = new RollCall(new Map());
	rollCall.count(look([SELF], [SELF], 1), new Map());
	rollCall.count(look([SELF, 'new'], [SELF, 'new'], 0), NEW);
	assert.equal(await isOver(rollCall), false);
	assert.deepEqual(rollCall.missing, ['DDDD/0']);
	rollCall.take('new');
	assert.equal(await isOver(rollCall), true);
});

test('while this server does not listen itself, all who do are others', async () => {
	const rollCall = new RollCall(new Map());
	rollCall.count(look([SELF], [], 1), new Map());
	assert.deepEqual(rollCall.missing, ['unknown']);
	assert.equal(await isOver(rollCall), false);
});

test('without a count, those who are known are all', async () => {
	const alone = new RollCall(new Map());
	alone.knownAreAll();
	assert.equal(await isOver(alone), true);
	const rollCall = new RollCall(KNOWN);
	rollCall.knownAreAll();
	rollCall.take('b');
	assert.equal(await isOver(rollCall), false);
	rollCall.end();
	assert.deepEqual(rollCall.missing, ['CCCC/0']);
});

test('a server that went silent is missing, one that is gone is not; both end the wait', async () => {
	const rollCall = new RollCall(KNOWN);
	rollCall.count(look([SELF, 'b', 'c'], [SELF, 'b', 'c']), KNOWN);
	rollCall.forget('b', 'gone');
	rollCall.forget('c', 'silent');
	assert.equal(await isOver(rollCall), true);
	assert.deepEqual(rollCall.missing, ['CCCC/0']);
});

test('an answer counts once, and not when it is over', () => {
	const rollCall = new RollCall(KNOWN);
	assert.equal(rollCall.take('b'), true);
	assert.equal(rollCall.take('b'), false);
	rollCall.end();
	assert.equal(rollCall.take('c'), false);
	assert.deepEqual(rollCall.missing, ['CCCC/0']);
});
