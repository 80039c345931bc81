/** Numbers as people read them; undefined stays undefined, so that a table shows a dash. */

export function formatCount(value: number): string {
	return Math.round(value).toLocaleString('en');
}

export function formatRate(perSecond: number | undefined): string | undefined {
	if (perSecond === undefined) {
		return undefined;
	}
	return `${perSecond >= 100 || Number.isInteger(perSecond) ? formatCount(perSecond) : perSecond.toFixed(1)}/s`;
}

export function formatShare(ratio: number | undefined): string | undefined {
	return ratio === undefined ? undefined : `${Math.round(ratio * 100)} %`;
}

export function formatMebibytes(bytes: number | undefined): string | undefined {
	return bytes === undefined ? undefined : `${Math.round(bytes / 1_048_576)} MiB`;
}

const UNITS = [
	['d', 86_400],
	['h', 3600],
	['m', 60],
	['s', 1],
] as const;

/** In the largest unit that fits, as `kubectl` does: `45s`, `12m`, `3h`, `5d`. */
export function formatAge(ms: number): string {
	const seconds = Math.max(0, Math.floor(ms / 1000));
	const [unit, length] = UNITS.find(([, each]) => seconds >= each) ?? ['s', 1];
	return `${Math.floor(seconds / length)}${unit}`;
}
