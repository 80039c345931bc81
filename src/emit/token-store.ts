/** The tokens that count now: those of the configuration and those of a file, read again when it changes. */
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { AppError, messageOf } from '../base/errors.ts';
import type { Closable } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { buildInlineTokens, parseTokensFile, type Token } from './tokens.ts';

export interface TokenStore extends Closable {
	current(): readonly Token[];
}

/** Polled: a mounted Secret changes by a swap of symbolic links, which file system events miss. */
const POLL_EVERY_MS = 2000;

/** Throws ERR_CONFIG when the file can't be used at the start; later a bad file leaves the tokens as they are. */
export function createTokenStore(config: Pick<Config, 'apiTokens' | 'apiTokensFile' | 'apiRatePerSecond'>, log: Logger): TokenStore {
	const { apiTokensFile: path, apiRatePerSecond } = config;
	const inline = buildInlineTokens(config.apiTokens, apiRatePerSecond);
	if (path === '') {
		return { current: () => inline, close: () => undefined };
	}
	let tokens = [...inline, ...readTokens(path, apiRatePerSecond)];
	const reload = (): void => {
		try {
			tokens = [...inline, ...readTokens(path, apiRatePerSecond)];
			log.info({ tokens: tokens.map(({ name }) => name) }, 'tokens of the emit API read again');
		} catch (error) {
			log.error({ err: messageOf(error) }, 'the changed tokens file can not be used: the tokens from before stay');
		}
	};
	watchFile(path, { interval: POLL_EVERY_MS, persistent: false }, reload);
	return { current: () => tokens, close: () => unwatchFile(path, reload) };
}

function readTokens(path: string, ratePerSecond: number): readonly Token[] {
	let text: string;
	try {
		text = readFileSync(path, 'utf8');
	} catch (error) {
		throw new AppError('ERR_CONFIG', `the tokens file can not be read: ${messageOf(error)}`, { cause: error });
	}
	return parseTokensFile(text, ratePerSecond);
}
