/** Values of flags that several commands have. */
import { AppError } from '../base/errors.ts';

/** `--interval 2` -> 2000. Throws ERR_USAGE. */
export function parseInterval(text: string): number {
	const seconds = Number(text);
	if (!(seconds >= 0.5 && seconds <= 3600)) {
		throw new AppError('ERR_USAGE', `--interval must be seconds, from 0.5 to 3600, got ${text}`);
	}
	return seconds * 1000;
}
