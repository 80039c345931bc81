/** Hiding what is secret before a configuration is shown. */
import { type Config, OPTION_KEYS, specOf } from './schema.ts';

export const HIDDEN = '(hidden)';

/** The same configuration, with every secret that is set replaced. */
export function redactConfig(config: Config): Config {
	const shown: Record<string, unknown> = { ...config };
	for (const key of OPTION_KEYS) {
		const isSet = config[key].toString().length > 0;
		if (specOf(key).secret && isSet) {
			shown[key] = Array.isArray(config[key]) ? [HIDDEN] : HIDDEN;
		}
	}
	return Object.freeze(shown) as Config;
}
