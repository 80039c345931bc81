/** The event map reaches `emit`: checked by the compiler, the assertions only hold the types in place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Broadcast, Emitter } from '../../../src/emit/emitter.ts';

interface Events {
	news: (article: { title: string }, pinned?: boolean) => void;
	tick: () => void;
}

type Same<A, B> = [A, B] extends [B, A] ? true : false;

declare const broadcast: Broadcast<Events>;
type Target = typeof broadcast.emit;
type NewsArgs = Parameters<typeof broadcast.emit<'news'>>;
type TickArgs = Parameters<typeof broadcast.emit<'tick'>>;

test('names and arguments of events come from the map, also behind a chain and in another namespace', () => {
	const news: Same<NewsArgs, [event: 'news', article: { title: string }, pinned?: boolean | undefined]> = true;
	const tick: Same<TickArgs, [event: 'tick']> = true;
	const unknown: 'other' extends Parameters<Target>[0] ? true : false = false;
	const chained: Same<ReturnType<Broadcast<Events>['to']>, Broadcast<Events>> = true;
	const elsewhere: Same<ReturnType<Emitter<Events>['of']>['emit'], Emitter<Events>['emit']> = true;
	assert.deepEqual([news, tick, unknown, chained, elsewhere], [true, true, false, true, true]);
});
