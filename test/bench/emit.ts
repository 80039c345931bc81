/** What the emitter costs the process that emits, against writing the same entries by hand. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { createEmitter, type Emitter } from '../../src/emit/emitter.ts';
import { startRedis } from '../support/redis-server.ts';
import { compile } from './support/compile.ts';
import type { Row } from './support/record.ts';
import { type BenchContext, runProgram } from './support/run.ts';
import { round } from './support/stats.ts';

const BATCH = 100;
/** The event of the HTTP benchmark: about 200 bytes on the wire. */
const PAYLOAD = { text: 'x'.repeat(120) };
const ROUNDS = 10;
const STREAM = 'bench';

type Writer = (count: number) => Promise<unknown>;

function createRawWriter(redis: Redis): Writer {
	const opts = { rooms: ['room'], except: [], flags: {} };
	return (count) => {
		const pipeline = redis.pipeline();
		for (let index = 0; index < count; index++) {
			const data = JSON.stringify({ packet: { type: 2, data: ['news', { ...PAYLOAD, index }], nsp: '/' }, opts });
			pipeline.xadd(STREAM, 'MAXLEN', '~', 10_000, '*', 'uid', 'emitter', 'nsp', '/', 'type', '3', 'data', data);
		}
		return pipeline.exec();
	};
}

function createWriters(emitter: Emitter, redis: Redis): Readonly<Record<string, Writer>> {
	const target = emitter.to('room');
	return {
		'XADD in an ioredis pipeline': createRawWriter(redis),
		'emitter.to(room).emit(), 100 at a time': (count) =>
			Promise.all(Array.from({ length: count }, (_, index) => target.emit('news', { ...PAYLOAD, index }))),
		'emitter.batch(), 100 messages': (count) =>
			emitter.batch(Array.from({ length: count }, (_, index) => ({ rooms: ['room'], event: 'news', args: [{ ...PAYLOAD, index }] }))),
	};
}

async function measureWriter(write: Writer, count: number): Promise<{ readonly cpuMs: number; readonly wallMs: number }> {
	const before = process.cpuUsage();
	const startedAt = performance.now();
	for (let done = 0; done < count; done += BATCH) {
		await write(BATCH);
	}
	const { user, system } = process.cpuUsage(before);
	return { cpuMs: (user + system) / 1000, wallMs: performance.now() - startedAt };
}

async function measureLibrary({ scope, size, say }: BenchContext, url: string): Promise<Row[]> {
	const redis = new Redis(url);
	scope.after(() => redis.disconnect());
	const emitter = createEmitter({ redis: url, stream: STREAM });
	scope.after(() => emitter.close());
	const writers = Object.entries(createWriters(emitter, redis));
	const count = size(20_000, 2000);
	const totals = new Map(writers.map(([name]) => [name, { cpuMs: 0, wallMs: 0 }]));
	// Short turns: what else the machine does hits all of them alike. The first round warms up.
	for (let round = 0; round <= ROUNDS; round++) {
		say(`library, round ${round} of ${ROUNDS}`);
		for (const [name, write] of writers) {
			const { cpuMs, wallMs } = await measureWriter(write, count);
			const total = totals.get(name);
			if (total && round > 0) {
				total.cpuMs += cpuMs;
				total.wallMs += wallMs;
			}
		}
	}
	const raw = totals.get('XADD in an ioredis pipeline')?.cpuMs ?? 0;
	return [...totals].map(([subject, { cpuMs, wallMs }]) => ({
		subject,
		values: {
			cpuUs: round((cpuMs * 1000) / (count * ROUNDS)),
			ratio: round(cpuMs / raw),
			perSecond: Math.round((count * ROUNDS * 1000) / wallMs),
		},
	}));
}

/** A whole process, its start and its end included. */
async function measureCommand({ size, say }: BenchContext, url: string, dir: string): Promise<Row> {
	const count = size(300_000, 20_000);
	const file = join(dir, 'lines');
	writeFileSync(
		file,
		Array.from({ length: count }, (_, index) => JSON.stringify({ event: 'news', args: [{ ...PAYLOAD, index }], rooms: ['room'] })).join(
			'\n',
		),
	);
	say(`socketfleet emit --stdin, ${count} lines`);
	// `times` prints the CPU of the shell, and on its second line that of its children.
	const command = `"${process.execPath}" "${compile().cli}" emit --redis ${url} --stream ${STREAM} --stdin < "${file}" && times`;
	const startedAt = performance.now();
	const { stdout } = await promisify(execFile)('sh', ['-c', command]);
	const wallMs = performance.now() - startedAt;
	const cpuMs = readCpuMs(stdout.trim().split('\n').at(-1) ?? '');
	return {
		subject: 'socketfleet emit --stdin',
		values: { cpuUs: round((cpuMs * 1000) / count), perSecond: Math.round((count * 1000) / wallMs) },
	};
}

/** `0m1.250000s 0m0.100000s`: user and system time. */
function readCpuMs(times: string): number {
	return [...times.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
		(sum, [, minutes, seconds]) => sum + Number(minutes) * 60_000 + Number(seconds) * 1000,
		0,
	);
}

await runProgram('emit', async (context) => {
	const redis = await startRedis(context.scope);
	const rows = await measureLibrary(context, redis.url);
	return [...rows, await measureCommand(context, redis.url, redis.dir)];
});
