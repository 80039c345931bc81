/** Why clients that come back are not recovered: the values of a label, and what each of them means. */

interface RefusalRow {
	/** One sentence: what happened. */
	readonly what: string;
	/** The client's own doing, or meant: no fault of the fleet, and in no alert. */
	readonly isExpected: boolean;
}

export const REFUSALS = {
	no_session: {
		what: 'The client was away for longer than the recovery window, was disconnected for good, or its worker died before the session was saved: within 250 ms of its first event, later when that was the first of thousands.',
		isExpected: true,
	},
	kicked: { what: '`disconnectSockets()` hit the client while it was away.', isExpected: true },
	bad_offset: { what: 'The client had been sent no event yet, or what it gives as its offset is none.', isExpected: true },
	outside_stream: {
		what: 'Messages were delivered before Redis had them, to the client or in its namespace, and it has seen no later one: sending what it missed would repeat or leave out some.',
		isExpected: false,
	},
	rewound: {
		what: 'The stream was set back since the session was saved, by a failover or a restart without data.',
		isExpected: false,
	},
	trimmed: { what: 'Some of what the client may have missed is not in Redis any more.', isExpected: false },
	lost: { what: 'Messages for the client were given up before Redis took them, see `socketfleet_publish_total`.', isExpected: false },
	too_much: {
		what: 'The client missed more than `maxBufferedBytes`, or rooms that it was moved to while away led to ever more rooms.',
		isExpected: false,
	},
	behind: { what: 'The worker that the client came to did not reach its offset within 3 s.', isExpected: false },
	redis_away: { what: 'Redis failed, refused, or has not answered since the worker started.', isExpected: false },
	timeout: { what: 'Redis, or the restores of other clients, took longer than a restore may.', isExpected: false },
	not_held: {
		what: 'What had been made ready for the client was given up while its middlewares ran: another connection of it came in between, or the worker lost messages.',
		isExpected: false,
	},
} as const satisfies Readonly<Record<string, RefusalRow>>;

export type Refusal = keyof typeof REFUSALS;

export const REFUSAL_REASONS = Object.keys(REFUSALS) as Refusal[];
export const EXPECTED_REFUSALS: readonly Refusal[] = REFUSAL_REASONS.filter((reason) => REFUSALS[reason].isExpected);
