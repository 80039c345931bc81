/** What the supervisor keeps of each slot, and of the process that is in it. */
import type { Worker } from 'node:cluster';
import type { Channel, Requests } from '../ipc/channel.ts';
import type { ToPrimary, ToWorker } from '../ipc/messages.ts';

/** `failed`: it died or stayed silent several times in a row; it is still started again, at the longest delay. */
export type SlotState = 'starting' | 'ready' | 'draining' | 'waiting' | 'failed';

export interface Life {
	readonly worker: Worker;
	readonly channel: Channel<ToWorker, ToPrimary>;
	readonly requests: Requests;
	/** Unique among the lives of all slots: names this process in the totals. */
	readonly id: string;
	startTimer: NodeJS.Timeout | undefined;
	/** It no longer answered, and was ended for that. */
	silent: boolean;
}

export interface Slot {
	readonly index: number;
	state: SlotState;
	life: Life | undefined;
	/** Deaths since it was last ready for long enough. */
	failures: number;
	reasons: readonly string[];
	retryTimer: NodeJS.Timeout | undefined;
	readyAt: number;
}

export function createSlots(count: number): Slot[] {
	return Array.from({ length: count }, (_, index) => ({
		index,
		state: 'starting',
		life: undefined,
		failures: 0,
		reasons: [],
		retryTimer: undefined,
		readyAt: 0,
	}));
}
