/** What takes the place of messages that were given up: a word to each of their targets, so that just the clients there are told. Pure. */
import { type EntryFields, MESSAGES_LOST, type PublisherMark } from './entry.ts';

export interface Lost {
	readonly mark: PublisherMark;
	readonly fields: EntryFields;
	readonly rooms: readonly unknown[];
}

/** More targets than this are told of as everyone in their namespaces. */
const MAX_TOMBSTONES = 1000;

/** `lost`: in the order of their sequences. Each target once, under the last of those sequences: the messages that follow keep theirs. */
export function buildTombstones(lost: readonly Lost[]): readonly Lost[] {
	const last = lost.at(-1);
	if (last === undefined) {
		return [];
	}
	const { publisher, sequence } = last.mark;
	const targets = targetsOf(lost);
	return targets.map(({ nsp, rooms }, index) => ({
		mark: { publisher, sequence: sequence - targets.length + 1 + index },
		fields: { uid: last.fields.uid, nsp, type: MESSAGES_LOST, data: JSON.stringify({ opts: { rooms, except: [] } }) },
		rooms,
	}));
}

interface Target {
	readonly nsp: string;
	readonly rooms: readonly unknown[];
}

function targetsOf(lost: readonly Lost[]): readonly Target[] {
	const targets = new Map<string, Target>();
	for (const { fields, rooms } of lost) {
		targets.set(JSON.stringify([fields.nsp, ...rooms.map(String).sort()]), { nsp: fields.nsp, rooms });
	}
	if (targets.size <= MAX_TOMBSTONES) {
		return [...targets.values()];
	}
	return [...new Set(lost.map(({ fields }) => fields.nsp))].map((nsp) => ({ nsp, rooms: [] }));
}
