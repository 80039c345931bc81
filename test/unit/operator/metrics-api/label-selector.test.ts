import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLabelSelector } from '../../../../src/operator/metrics-api/label-selector.ts';

const POD = { app: 'chat', 'app.kubernetes.io/component': 'fleet', tier: '' };

const CASES: readonly (readonly [selector: string, matches: boolean])[] = [
	['', true],
	['  ', true],
	['app=chat', true],
	['app==chat', true],
	['app = chat', true],
	['app=board', false],
	['app!=board', true],
	['app!=chat', false],
	['absent!=chat', true],
	['absent=chat', false],
	['tier=', true],
	['app.kubernetes.io/component=fleet,app=chat', true],
	['app.kubernetes.io/component=fleet,app=board', false],
	['app', true],
	['absent', false],
	['!absent', true],
	['! absent', true],
	['!app', false],
	['app in (board, chat)', true],
	['app in (board)', false],
	['absent in (board)', false],
	['app notin (board,draw)', true],
	['app notin (chat)', false],
	['absent notin (chat)', true],
	['app in (chat,board),tier,!absent', true],
	// Labels that every object of JavaScript seems to have.
	['constructor', false],
	['toString!=x', true],
];

for (const [selector, matches] of CASES) {
	test(`selector ${JSON.stringify(selector)}`, () => assert.equal(parseLabelSelector(selector)?.(POD), matches));
}

const MALFORMED = [',', 'app=chat,', 'app=chat,,tier', '=chat', 'app=a b', '!app=chat', 'app in chat', 'app in (chat', 'app in chat)'];

test('malformed selectors', () => {
	for (const selector of [...MALFORMED, 'app in ((chat))', 'app>1', 'a/b/c=d', 'app=-x', 'app in (x y)', 'in (a)', 'app=chat)']) {
		assert.equal(parseLabelSelector(selector), undefined, selector);
	}
});
