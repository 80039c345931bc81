/**
 * Rooms that are joined and left while messages for them are under way, over two pods of two workers. What is said after a join was
 * answered is heard, once; what is said after a leave was answered is not.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { io as connect, type Socket } from 'socket.io-client';
import { createEmitter } from '../../src/emit/emitter.ts';
import { createRandom } from '../support/fuzz.ts';
import { lastFirst } from '../support/last-first.ts';
import { type Pod, startPod } from '../support/pod.ts';
import { type Scope, startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait.ts';
import { startBalancer } from './support/balancer.ts';
import { Crowd } from './support/crowd.ts';
import { LEDGER_APP } from './support/ledger.ts';
import type { AnyRoom, Deed, Target } from './support/rooms-app.ts';

const ROOMS_APP = new URL('support/rooms-app.ts', import.meta.url).pathname;
const WAIT = { timeoutMs: 20_000, everyMs: 2 };
const ANSWER_TIMEOUT_MS = 20_000;
const SEED = Number(process.env.LEDGER_SEED ?? 20_251_125);

const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));

class Guest {
	readonly socket: Socket;
	/** What was said to it, in order. */
	readonly heard: string[] = [];

	constructor(socket: Socket) {
		this.socket = socket;
		socket.on('heard', (what: string) => this.heard.push(what));
	}

	get id(): string {
		assert.ok(this.socket.id);
		return this.socket.id;
	}

	where(): Promise<string> {
		return this.#ask('where') as Promise<string>;
	}

	async join(...rooms: readonly AnyRoom[]): Promise<void> {
		await this.#ask('join', rooms);
	}

	async leave(...rooms: readonly AnyRoom[]): Promise<void> {
		await this.#ask('leave', rooms);
	}

	/** From the worker that holds this one. */
	async do(...deeds: readonly Deed[]): Promise<void> {
		await this.#ask('do', deeds);
	}

	async say(what: string, target: Target): Promise<void> {
		await this.do({ say: what, target });
	}

	#ask(event: string, ...args: readonly unknown[]): Promise<unknown> {
		return this.socket.timeout(ANSWER_TIMEOUT_MS).emitWithAck(event, ...args);
	}
}

interface House {
	readonly redisUrl: string;
	/** On the first pod, and on the second. */
	guests(count: number, namespace?: string): Promise<Guest[]>;
	strangers(count: number, namespace?: string): Promise<Guest[]>;
	/** All of them have what this one has sent: each sender's messages come in order. */
	settle(speaker: Guest, listeners: readonly Guest[]): Promise<void>;
}

async function startHouse(t: Scope): Promise<House> {
	const redis = await startRedis(t);
	const options = { redisUrl: redis.url };
	const pods = await Promise.all(times(2, () => startPod(t, { app: ROOMS_APP, options })));
	const comeTo = (pod: Pod | undefined, count: number, namespace: string): Promise<Guest[]> => {
		assert.ok(pod);
		return Promise.all(times(count, () => enter(t, `${pod.url}${namespace}`)));
	};
	let marks = 0;
	return {
		redisUrl: redis.url,
		guests: (count, namespace = '') => comeTo(pods[0], count, namespace),
		strangers: (count, namespace = '') => comeTo(pods[1], count, namespace),
		settle: async (speaker, listeners) => {
			const mark = `mark ${++marks}`;
			await speaker.say(mark, { to: listeners.map(({ id }) => id) });
			await waitFor(mark, () => listeners.every(({ heard }) => heard.at(-1) === mark), WAIT);
			for (const { heard } of listeners) {
				heard.pop();
			}
		},
	};
}

async function enter(t: Scope, url: string): Promise<Guest> {
	const socket = connect(url, { transports: ['websocket'], forceNew: true });
	t.after(() => void socket.disconnect());
	const guest = new Guest(socket);
	await waitFor('a client to connect', () => socket.connected, WAIT);
	return guest;
}

test('rooms that change under way', { timeout: 120_000 }, async (context) => {
	const house = await startHouse(lastFirst(context));
	const { guests, strangers, settle } = house;
	const [ann, ben, cid, dee] = await guests(4);
	const [eve, far] = await strangers(2);
	assert.ok(ann && ben && cid && dee && eve && far);
	const everyone = [ann, ben, cid, dee, eve, far];
	/** What each of them heard since the last look. */
	const heardBy = (...who: readonly Guest[]): string[][] => who.map(({ heard }) => heard.splice(0));

	await settle(eve, everyone);

	await context.test('a client that joins and is addressed by another pod in the next millisecond', async () => {
		for (let i = 0; i < 100; i++) {
			await ann.join(`next-${i}`);
			await eve.say(`hello ${i}`, { to: [`next-${i}`] });
		}
		await settle(eve, everyone);
		assert.deepEqual(heardBy(...everyone), [times(100, (i) => `hello ${i}`), [], [], [], [], []]);
	});

	await context.test('the same from outside of the fleet', async (t) => {
		const emitter = createEmitter({ redis: house.redisUrl });
		t.after(() => emitter.close());
		for (let i = 0; i < 100; i++) {
			await ann.join(`outside-${i}`);
			await emitter.to(`outside-${i}`).emit('heard', `hello ${i}`);
		}
		await waitFor('the last one', () => ann.heard.length >= 100, WAIT);
		await settle(eve, everyone);
		assert.deepEqual(heardBy(ann, ben), [times(100, (i) => `hello ${i}`), []]);
	});

	await context.test('a client that connects and is addressed by its id in the next millisecond', async () => {
		for (let i = 0; i < 20; i++) {
			const [guest] = await guests(1);
			assert.ok(guest);
			await eve.say('welcome', { to: [guest.id] });
			await waitFor('the welcome', () => guest.heard.length > 0, WAIT);
			await settle(eve, [guest]);
			assert.deepEqual(guest.heard, ['welcome']);
			guest.socket.disconnect();
		}
	});

	await context.test('a room joined by many clients in one turn', async () => {
		const many = await guests(50);
		await Promise.all(many.map((guest) => guest.join('many')));
		await eve.say('all of you', { to: ['many'] });
		// By one call, which takes effect in one turn on each worker.
		await eve.do({ join: ['more'], target: { to: ['many'] } }, { say: 'once more', target: { to: ['more'] } });
		await settle(eve, many);
		assert.deepEqual(
			heardBy(...many),
			many.map(() => ['all of you', 'once more']),
		);
		await eve.do({ leave: ['more'], target: { to: ['many'] } }, { say: 'nobody', target: { to: ['more'] } });
		await settle(eve, many);
		await Promise.all(many.map((guest) => guest.leave('many')));
		await eve.say('nobody', { to: ['many', 'more'] });
		await settle(eve, many);
		assert.deepEqual(
			heardBy(...many),
			many.map(() => []),
		);
		for (const { socket } of many) {
			socket.disconnect();
		}
	});

	await context.test('a subscription confirmed after the room was left again', async () => {
		const rooms = times(50, (i) => `brief-${i}`);
		for (const room of rooms) {
			const joined = ann.join(room);
			await Promise.all([joined, ann.leave(room)]);
			await eve.say(`left ${room}`, { to: [room] });
		}
		await settle(eve, everyone);
		assert.deepEqual(heardBy(ann), [[]]);
		for (const room of rooms) {
			const calls = [ann.join(room), ann.leave(room), ann.join(room)];
			await Promise.all(calls);
			await eve.say(`back in ${room}`, { to: [room] });
		}
		await settle(eve, everyone);
		assert.deepEqual(heardBy(ann), [rooms.map((room) => `back in ${room}`)]);
	});

	await context.test('the last one leaves while another comes', async () => {
		await ann.join('relay');
		for (let i = 0; i < 25; i++) {
			await Promise.all([ann.leave('relay'), ben.join('relay')]);
			await eve.say(`to ben ${i}`, { to: ['relay'] });
			await settle(eve, [ann, ben]);
			await Promise.all([ben.leave('relay'), ann.join('relay')]);
			await eve.say(`to ann ${i}`, { to: ['relay'] });
			await settle(eve, [ann, ben]);
		}
		assert.deepEqual(heardBy(ann, ben), [times(25, (i) => `to ann ${i}`), times(25, (i) => `to ben ${i}`)]);
	});

	await context.test('joined and left by a call from another pod', async () => {
		const target = { to: [ann.id] };
		for (let i = 0; i < 50; i++) {
			const there = { to: [`called-${i}`] };
			await eve.do(
				{ say: 'too early', target: there },
				{ join: [`called-${i}`, `called-too-${i}`], target },
				{ say: `here ${i}`, target: there },
				{ say: `here too ${i}`, target: { to: [`called-too-${i}`] } },
				{ leave: [`called-${i}`], target },
				{ say: 'too late', target: there },
			);
		}
		await settle(eve, everyone);
		assert.deepEqual(heardBy(ann, far), [times(50, (i) => [`here ${i}`, `here too ${i}`]).flat(), []]);
	});

	await context.test('a join that moves those who are in a room that was joined a moment ago', async () => {
		for (let i = 0; i < 20; i++) {
			await Promise.all([ann.join(`first-${i}`), far.join(`first-${i}`)]);
			await eve.do(
				{ join: [`second-${i}`], target: { to: [`first-${i}`] } },
				{ join: [`third-${i}`], target: { to: [`second-${i}`], except: [far.id] } },
				{ say: `third ${i}`, target: { to: [`third-${i}`] } },
				{ say: `second ${i}`, target: { to: [`second-${i}`] } },
			);
		}
		await settle(eve, everyone);
		assert.deepEqual(heardBy(ann, far), [times(20, (i) => [`third ${i}`, `second ${i}`]).flat(), times(20, (i) => `second ${i}`)]);
	});

	await context.test('a thousand rooms in one to([...])', async () => {
		const rooms = times(1000, (i) => `thousand-${i}`);
		await Promise.all([
			ann.join('thousand-0', 'thousand-999'),
			ben.join('thousand-500'),
			far.join('thousand-1', 'thousand-2'),
			cid.join('other'),
		]);
		await eve.say('a thousand', { to: rooms });
		await eve.say('nine', { to: rooms.slice(0, 9) });
		await eve.say('eight', { to: rooms.slice(-8) });
		await eve.say('two of the same client', { to: ['thousand-0', 'thousand-999'] });
		await settle(eve, everyone);
		assert.deepEqual(heardBy(ann, ben, cid, far), [
			['a thousand', 'nine', 'eight', 'two of the same client'],
			['a thousand'],
			[],
			['a thousand', 'nine'],
		]);
	});

	await context.test('a thousand rooms in one join', async () => {
		const rooms = times(1000, (i) => `joined-${i}`);
		await ann.join(...rooms);
		for (const index of [0, 499, 500, 501, 999]) {
			await eve.say(`in ${index}`, { to: [`joined-${index}`] });
		}
		await settle(eve, everyone);
		assert.deepEqual(heardBy(ann), [['in 0', 'in 499', 'in 500', 'in 501', 'in 999']]);
		await ann.leave(...rooms);
		await eve.say('nobody', { to: rooms });
		await settle(eve, everyone);
		assert.deepEqual(heardBy(ann), [[]]);
	});

	await context.test('except', async () => {
		await Promise.all([ann, ben, cid, far].map((guest) => guest.join('party')));
		await Promise.all([ben.join('tired'), far.join('tired', 'asleep')]);
		await eve.say('the party', { to: ['party'] });
		await eve.say('but not the tired', { to: ['party'], except: ['tired'] });
		await eve.say('but not ann', { to: ['party'], except: [ann.id] });
		await eve.say('all but the party', { except: ['party'] });
		await eve.say('to and except the same', { to: ['party'], except: ['party'] });
		await settle(eve, everyone);
		await cid.leave('party');
		await eve.say('but not who was there', { to: ['party', 'tired'], except: ['asleep'] });
		await settle(eve, everyone);
		assert.deepEqual(heardBy(...everyone), [
			['the party', 'but not the tired', 'but not who was there'],
			['the party', 'but not ann', 'but not who was there'],
			['the party', 'but not the tired', 'but not ann'],
			['all but the party'],
			['all but the party'],
			['the party', 'but not ann'],
		]);
	});

	await context.test('numeric rooms', async () => {
		await Promise.all([ann.join(7, 8), far.join('7')]);
		await eve.say('seven', { to: [7] });
		await eve.say('"7"', { to: ['7'] });
		await eve.say('eight or seven', { to: [8, 7] });
		await eve.say('all but eight', { to: [7, '7'], except: [8] });
		await eve.do({ join: [9], target: { to: [7] } }, { say: 'nine', target: { to: [9] } }, { leave: [7], target: { to: [8] } });
		await eve.say('nobody', { to: [7] });
		await settle(eve, everyone);
		await ann.leave(8);
		await eve.say('nobody', { to: [8] });
		await settle(eve, everyone);
		assert.deepEqual(heardBy(ann, far), [
			['seven', 'eight or seven', 'nine'],
			['"7"', 'all but eight'],
		]);
	});

	await context.test('a namespace-wide message while its rooms are being subscribed', async () => {
		const joins = times(30, (i) => ann.join(...times(30, (j) => `wide-${i}-${j}`)));
		for (let i = 0; i < 50; i++) {
			await eve.say(`to all ${i}`, {});
		}
		await Promise.all(joins);
		await settle(eve, everyone);
		const all = times(50, (i) => `to all ${i}`);
		assert.deepEqual(
			heardBy(...everyone),
			everyone.map(() => all),
		);
	});

	await context.test('a namespace that a worker did not have a moment ago', async () => {
		for (let i = 0; i < 10; i++) {
			const [guest] = await guests(1, `/hall-${i}`);
			const [stranger] = await strangers(1, `/hall-${i}`);
			assert.ok(guest && stranger);
			await stranger.say('to all', {});
			await guest.join('corner');
			await stranger.say('to the corner', { to: ['corner'] });
			await settle(stranger, [guest]);
			assert.deepEqual(guest.heard, ['to all', 'to the corner']);
			guest.socket.disconnect();
			stranger.socket.disconnect();
		}
	});
});

test('fifty clients in five hundred rooms, as fast as they can', { timeout: 120_000 }, async (context) => {
	const t = lastFirst(context);
	const redis = await startRedis(t);
	const balancer = await startBalancer(t);
	const pods = await Promise.all(times(2, () => startPod(t, { app: LEDGER_APP, options: { redisUrl: redis.url } })));
	balancer.setTargets(pods.map(({ ports }) => ports.public));
	const crowd = new Crowd(t, {
		url: balancer.url,
		source: redis.url,
		seed: SEED,
		random: createRandom(SEED),
		steady: 0,
		movers: 50,
		rooms: { halls: 400, booths: 100 },
		pace: { everyMs: 10, rooms: 10 },
	});
	await crowd.everyoneHears('the beginning');
	crowd.start();
	await crowd.whileNobodyIsWronged('two thousand joins and leaves', () => crowd.moves >= 2000);
	// Nothing was disturbed: nobody is to be told anything.
	crowd.judge((account) => account.finalBreaches());
	await crowd.stop();
	assert.deepEqual(
		crowd.listeners.map(({ account }) => account.counts.refused),
		crowd.listeners.map(() => 0),
	);
	context.diagnostic(crowd.summary());
});
