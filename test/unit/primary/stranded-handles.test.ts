import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { test } from 'node:test';
import { releaseStrandedHandles } from '../../../src/primary/stranded-handles.ts';

test('the handle under way is closed, sends that had not begun fail, and a second call does nothing', () => {
	let closed = 0;
	const failures: string[] = [];
	const callback = (error: Error | null) => void failures.push(error?.message ?? 'no error');
	const child = {
		_pendingMessage: { handle: { close: () => closed++ } },
		_handleQueue: [{ callback }, {}, { callback }],
	} as unknown as ChildProcess;
	releaseStrandedHandles(child);
	releaseStrandedHandles(child);
	assert.equal(closed, 1);
	assert.deepEqual(failures, Array(2).fill('the process ended before the message was sent'));
	assert.doesNotThrow(() => releaseStrandedHandles({} as ChildProcess), 'nothing was under way');
});
