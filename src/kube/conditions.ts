/** Conditions as in metav1.Condition: a list by type, whose transition time moves only when the status does. */

export type ConditionStatus = 'True' | 'False' | 'Unknown';

export interface Condition {
	readonly type: string;
	readonly status: ConditionStatus;
	/** One CamelCase word, stable. */
	readonly reason: string;
	/** A sentence for people: what is so, and what to do about it. */
	readonly message: string;
	readonly observedGeneration: number;
	readonly lastTransitionTime: string;
}

export type ConditionInput = Omit<Condition, 'lastTransitionTime' | 'observedGeneration'>;

/** The new list, in the order of `wanted`; the time of a condition whose status stays is kept. */
export function mergeConditions(
	before: readonly Condition[],
	wanted: readonly ConditionInput[],
	observedGeneration: number,
	now: Date,
): readonly Condition[] {
	return wanted.map((input) => {
		const old = before.find(({ type }) => type === input.type);
		const lastTransitionTime = old?.status === input.status ? old.lastTransitionTime : toKubeTime(now);
		return { ...input, observedGeneration, lastTransitionTime };
	});
}

/** metav1.Time: RFC 3339 with whole seconds. */
export function toKubeTime(date: Date): string {
	return `${date.toISOString().slice(0, 19)}Z`;
}
