/** Structured logging. The only importer of pino: JSON lines for machines, `pretty` for a terminal. */
import { type Logger, pino, stdTimeFunctions } from 'pino';

export type { Logger } from 'pino';
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
	readonly level: LogLevel;
	readonly format: 'json' | 'pretty';
	/** Fields on every line, as `{ pod, worker }`. */
	readonly fields?: Record<string, string | number>;
}

/** Writes to standard output, synchronously: the last lines before an exit must not be lost. */
export async function createLogger(options: LogOptions): Promise<Logger> {
	const settings = { level: options.level, base: options.fields ?? {}, timestamp: stdTimeFunctions.isoTime };
	if (options.format === 'pretty') {
		const { default: pretty } = await import('pino-pretty');
		return pino(settings, pretty({ sync: true, translateTime: 'SYS:HH:MM:ss', ignore: 'hostname,pid', singleLine: true }));
	}
	return pino(settings, pino.destination({ dest: 1, sync: true }));
}

/** For tests and for library users who gave no logger. */
export function createSilentLogger(): Logger {
	return pino({ level: 'silent' });
}
