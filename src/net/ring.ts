/**
 * Rendezvous hashing (Thaler and Ravishankar, 1998): every slot gets a weight for the key, the highest wins.
 * So a slot that goes away moves its own keys and no others.
 */

/** The slot for a key, the same whatever the order of `slots`; undefined when there are none. O(length of key + slots), no allocation. */
export function pickSlot(key: string, slots: readonly number[]): number | undefined {
	const keyHash = hashText(key);
	let best: number | undefined;
	let bestWeight = -1;
	for (const slot of slots) {
		// `mix` maps no two inputs to one output, so two slots never tie.
		const weight = mix(keyHash ^ mix(slot + 1));
		if (weight > bestWeight) {
			best = slot;
			bestWeight = weight;
		}
	}
	return best;
}

/** 32-bit FNV-1a over UTF-16 code units. Source: http://www.isthe.com/chongo/tech/comp/fnv/ */
function hashText(text: string): number {
	let hash = 0x811c9dc5;
	for (let index = 0; index < text.length; index++) {
		hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
	}
	return hash;
}

/** MurmurHash3's 32-bit finaliser: each input bit flips each output bit with a chance of one half. Source: https://github.com/aappleby/smhasher */
function mix(value: number): number {
	let hash = value;
	hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
	hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
	return (hash ^ (hash >>> 16)) >>> 0;
}
