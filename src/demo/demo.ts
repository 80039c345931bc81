/** What every part of the demo is given, and the palette that people and pens share. */
import type { Server } from 'socket.io';
import type { AppContext } from '../index.ts';

export interface Demo extends Pick<AppContext, 'pod' | 'worker' | 'log'> {
	readonly io: Server;
	/** Aborts when the worker has drained. Not the context's, which aborts when the drain begins and participants are still here. */
	readonly signal: AbortSignal;
	/** This worker process, unique in the fleet and never used again. */
	readonly node: string;
}

/** Names; the page gives each a value for light and one for dark. */
export const COLORS = ['ink', 'red', 'orange', 'green', 'teal', 'blue', 'violet', 'pink'] as const;
export type Color = (typeof COLORS)[number];
