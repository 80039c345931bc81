/** Tells the log of what can't be saved of `socket.data`: once for each key, since every client has the same ones. */
import type { Logger } from '../../base/log.ts';
import type { DroppedKeyListener } from '../plain-data.ts';

const MAX_KEYS = 100;

export function warnOncePerKey(log: Logger): DroppedKeyListener {
	const warned = new Set<string>();
	return (key) => {
		if (!warned.has(key) && warned.size < MAX_KEYS) {
			warned.add(key);
			log.warn({ key }, 'socket.data holds what cannot be saved; that key is left out of the session');
		}
	};
}
