/** Runs a Lua script by its digest; sends the text when the server does not know it yet. */
import { createHash } from 'node:crypto';
import { messageOf } from '../base/errors.ts';
import type { RedisConnection } from './client.ts';

export type ScriptArgument = string | number | Buffer;

export interface Script {
	run(connection: RedisConnection, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown>;
	/** Strings of the reply are Buffers, for what is no text. */
	runForBuffers(connection: RedisConnection, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown>;
}

export function createScript(lua: string): Script {
	const sha = createHash('sha1').update(lua).digest('hex');
	return {
		run: (connection, keys, args) =>
			orWhole(
				() => connection.evalsha(sha, keys.length, ...keys, ...args),
				() => connection.eval(lua, keys.length, ...keys, ...args),
			),
		runForBuffers: (connection, keys, args) =>
			orWhole(
				() => connection.callBuffer('evalsha', sha, keys.length, ...keys, ...args),
				() => connection.callBuffer('eval', lua, keys.length, ...keys, ...args),
			),
	};
}

/** In a Cluster only sharded channels live where the keys do; all others are told to every node. */
export function publishCommandOf(connection: Pick<RedisConnection, 'isCluster'>): 'PUBLISH' | 'SPUBLISH' {
	return connection.isCluster ? 'SPUBLISH' : 'PUBLISH';
}

async function orWhole(runByDigest: () => Promise<unknown>, runWhole: () => Promise<unknown>): Promise<unknown> {
	try {
		return await runByDigest();
	} catch (error) {
		// It ran nowhere, so that sending it whole can't run it twice.
		if (messageOf(error).startsWith('NOSCRIPT')) {
			return await runWhole();
		}
		throw error;
	}
}
