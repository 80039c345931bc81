import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelOf, indexOf, MAX_ROUTED_ROOMS, routesOf, tickChannelOf, workerChannelOf } from '../../../src/stream/route.ts';
import { RouteArguments } from '../../../src/stream/route-script.ts';

const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `room ${i}`);
const everyone = [{ index: 'log:index1024:/', rooms: [] }];

test('names are the same in every pod and every version: what is here now may not change', () => {
	assert.deepEqual(
		[
			indexOf('log', '/'),
			indexOf('log', '/chat'),
			indexOf('log', '/', 'hall'),
			indexOf('log', '/chat', 'hall'),
			indexOf('log', '/', 'ü€🎈'),
		],
		['log:index1024:/', 'log:index1024:/chat', 'log:index1024:304', 'log:index1024:434', 'log:index1024:826'],
	);
	assert.equal(channelOf('log', '/'), 'log:namespace:/');
	assert.equal(channelOf('log', '/chat', 'hall'), 'log:room:/chat\u001fhall');
	assert.equal(tickChannelOf('log'), 'log:tick');
	assert.equal(workerChannelOf('log', 'w'), 'log:worker:w');
});

test('no room has the index or the channel of a namespace, whatever either is called', () => {
	for (const name of ['', '/', '5', 'namespace:/', '/chat']) {
		assert.match(indexOf('log', '/', name), /^log:index1024:\d{1,4}$/);
		assert.notEqual(channelOf('log', '/', name), channelOf('log', '/'));
	}
	assert.equal(indexOf('log', '/5'), 'log:index1024:/5');
	assert.notEqual(channelOf('log', '/a', 'b'), channelOf('log', '/ab', ''));
});

test('rooms are spread over all index streams', () => {
	const used = new Set(numbered(20_000).map((room) => indexOf('log', '/', room)));
	assert.equal(used.size, 1024);
});

test('a message refers to itself once for each room; rooms that share an index stream share an entry there', () => {
	const [a = '', ...others] = numbered(5000);
	const shared = others.find((room) => indexOf('log', '/', room) === indexOf('log', '/', a)) ?? '';
	const other = others.find((room) => indexOf('log', '/', room) !== indexOf('log', '/', a)) ?? '';
	assert.deepEqual(routesOf('log', '/', [a, other, shared, a]), [
		{ index: indexOf('log', '/', a), rooms: [a, shared] },
		{ index: indexOf('log', '/', other), rooms: [other] },
	]);
});

test('a number and its text are one room', () => {
	assert.deepEqual(routesOf('log', '/', [5]), routesOf('log', '/', ['5']));
	assert.deepEqual(routesOf('log', '/', [5, '5', 5.5]), [...routesOf('log', '/', ['5']), ...routesOf('log', '/', ['5.5'])]);
});

test('a message for nobody in particular, for many rooms, or for rooms that can not be told, is for the namespace', () => {
	assert.equal(routesOf('log', '/', numbered(MAX_ROUTED_ROOMS)).flatMap(({ rooms }) => rooms).length, MAX_ROUTED_ROOMS);
	for (const rooms of [[], numbered(MAX_ROUTED_ROOMS + 1), ['a', ''], ['a\u001fb'], ['a', undefined], [Symbol.iterator], [{}]]) {
		assert.deepEqual(routesOf('log', '/', rooms), everyone);
	}
});

test('each index stream stands once among the keys of a script, behind those that it always has', () => {
	const routed = new RouteArguments(['log', 'bounds']);
	const args: (string | number)[] = [];
	const route = (index: string, ...rooms: string[]): { index: string; rooms: string[] } => ({ index, rooms });
	routed.add(args, [route('x', 'a', 'b'), route('y', 'c')]);
	routed.keys.push('another');
	routed.add(args, [route('z'), route('x', 'd')]);
	assert.deepEqual(routed.keys, ['log', 'bounds', 'x', 'y', 'another', 'z']);
	assert.deepEqual(args, [2, 3, 2, 'a', 'b', 4, 1, 'c', 2, 6, 0, 3, 1, 'd']);
});
