/** The sessions that Redis has, in either form of their record. */
import type { Redis } from 'ioredis';
import { decodeRecord, type SessionRecord } from '../../../src/adapter/sessions/record.ts';

const KEYS = 'socketfleet:default:session:*';

export async function readSessions(redis: Redis): Promise<readonly SessionRecord[]> {
	const hashes = await Promise.all((await redis.keys(KEYS)).map((key) => redis.hgetallBuffer(key)));
	return hashes.flatMap((hash) => decodeRecord(textOf(hash as unknown as Readonly<Record<string, Buffer>>)) ?? []);
}

function textOf(hash: Readonly<Record<string, Buffer>>): string {
	const pieces: Buffer[] = [];
	for (let piece = hash[0]; piece !== undefined; piece = hash[pieces.length]) {
		pieces.push(piece);
	}
	return hash.v?.toString() ?? Buffer.concat(pieces).toString('base64');
}

/** Of each session: a worker, or nobody (`''`) while its client is away. */
export async function readOwners(redis: Redis): Promise<readonly (string | null)[]> {
	return Promise.all((await redis.keys(KEYS)).map((key) => redis.hget(key, 'o')));
}

/** As if none had been saved. */
export async function forgetSessions(redis: Redis): Promise<void> {
	const keys = await redis.keys(KEYS);
	if (keys.length > 0) {
		await redis.del(...keys);
	}
}
