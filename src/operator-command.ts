/** `socketfleet operator`: reads its flags and runs the operator. */
import { AppError } from './base/errors.ts';
import { LOG_LEVELS, type LogLevel } from './base/log.ts';
import { runOperator } from './operator/main.ts';

/** As typed. */
export interface OperatorFlags {
	readonly namespace?: string;
	readonly leaseNamespace?: string;
	readonly host: string;
	readonly adminPort: string;
	readonly customMetricsService?: string;
	readonly customMetricsPort: string;
	readonly logLevel: string;
	readonly logFormat: string;
}

/** Throws ERR_USAGE for a flag that makes no sense. */
export async function runOperatorCommand(flags: OperatorFlags): Promise<void> {
	const { customMetricsService, logLevel, logFormat } = flags;
	const adminPort = parsePort('--admin-port', flags.adminPort);
	const customMetricsPort = parsePort('--custom-metrics-port', flags.customMetricsPort);
	if (!(LOG_LEVELS as readonly string[]).includes(logLevel)) {
		throw new AppError('ERR_USAGE', `--log-level must be one of ${LOG_LEVELS.join(', ')}, got ${logLevel}`);
	}
	if (logFormat !== 'json' && logFormat !== 'pretty') {
		throw new AppError('ERR_USAGE', `--log-format must be json or pretty, got ${logFormat}`);
	}
	await runOperator({
		namespace: flags.namespace,
		leaseNamespace: flags.leaseNamespace,
		host: flags.host,
		adminPort,
		logLevel: logLevel as LogLevel,
		logFormat,
		customMetrics: customMetricsService === undefined ? undefined : { service: customMetricsService, port: customMetricsPort },
	});
}

function parsePort(flag: string, text: string): number {
	if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
		throw new AppError('ERR_USAGE', `${flag} must be a port, got ${text}`);
	}
	return Number(text);
}
