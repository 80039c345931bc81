/** Who listens for the requests of one namespace, as Redis tells: a process that was killed does not at once, one that is frozen does. */
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { RedisHandle } from '../../redis/client.ts';
import type { RedisKeys } from '../../redis/keys.ts';
import { countSubscribers } from '../../redis/subscriptions.ts';
import { type OfficialAdapter, requestChannelOf, responseChannelOf } from '../official.ts';
import type { Presence } from './attendance.ts';
import type { Members } from './members.ts';

export interface RedisPresenceDeps {
	readonly adapter: OfficialAdapter;
	readonly members: Pick<Members, 'suspect'>;
	readonly redis: RedisHandle;
	readonly keys: RedisKeys;
	readonly log: Logger;
}

export function createRedisPresence({ adapter, members, redis, keys, log }: RedisPresenceDeps): Presence {
	const nsp = adapter.nsp.name;
	const requests = requestChannelOf(keys, nsp);
	const channelOf = (uid: string): string => responseChannelOf(keys, nsp, uid);
	return {
		async look(others) {
			const sought = new Set([adapter.uid, ...others]);
			try {
				const counts = await countSubscribers(redis.commands, [requests, ...[...sought].map(channelOf)]);
				const present = new Set([...sought].filter((uid) => (counts.get(channelOf(uid)) ?? 0) > 0));
				return { listening: counts.get(requests) ?? 0, sought, present };
			} catch (error) {
				log.debug({ err: messageOf(error) }, 'servers could not be counted');
				return undefined;
			}
		},
		suspect: (uid) => members.suspect(uid),
	};
}
