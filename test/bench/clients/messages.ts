/** What the benchmark of returning clients tells its client processes, and what they answer: `done`, or a report. */

export type ToClients =
	| { readonly kind: 'open'; readonly url: string; readonly count: number; readonly firstAddress: number }
	| { readonly kind: 'drop' }
	| { readonly kind: 'return'; readonly spreadMs: number };

export interface ReturnReport {
	/** Of those that came back: from the first packet to the namespace's answer, in ms. */
	readonly times: readonly number[];
	readonly recovered: number;
	/** Clients that did not get what they had missed. */
	readonly lost: number;
	readonly repeated: number;
}
