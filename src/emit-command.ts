/** `socketfleet emit`: one event from the command line, or many from standard input. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { AppError, messageOf } from './base/errors.ts';
import { createSilentLogger } from './base/log.ts';
import { loadConfig } from './config/load.ts';
import { createEmitter, type EmitterOptions } from './emit/emitter.ts';
import { createHttpSender, type Sender } from './emit/http-sender.ts';
import { decodeJsonBinary } from './emit/payload.ts';
import { Pump, type Tally } from './emit/pump.ts';
import type { EmitMessage } from './emit/schema.ts';
import { createRedis } from './redis/client.ts';

interface Flags {
	readonly room?: readonly string[];
	readonly except?: readonly string[];
	readonly namespace?: string;
	readonly volatile?: true;
	readonly key?: string;
	readonly stdin?: true;
	readonly redis?: string;
	readonly fleet?: string;
	readonly stream?: string;
	readonly url?: string;
	readonly token?: string;
	readonly tokenFile?: string;
	readonly timeoutMs: string;
}

const PROGRESS_EVERY_MS = 2000;
const MAX_FAILURES_SHOWN = 10;
/** Whatever a fleet needs to run and an emit does not. */
const UNUSED_FLEET_KEY = 'not-used-by-emit';

/** Parses, sends, prints the receipt; throws an AppError, whose exit code is the command's. */
export async function runEmit(args: readonly string[]): Promise<void> {
	const command = createCommand();
	command.parse([...args], { from: 'user' });
	const flags = command.opts<Flags>();
	const [event, ...values] = command.args;
	checkFlags(flags, event, values);
	const { sender, pace } = openSender(flags);
	try {
		if (flags.stdin) {
			await sendLines(sender, flags, event, pace);
		} else {
			const message = {
				...targetOf(flags),
				event: event ?? '',
				args: values.map(parseValue),
				...(flags.key === undefined ? {} : { idempotencyKey: flags.key }),
			};
			const [receipt] = await sender.batch([message]);
			process.stdout.write(`${receipt?.id}${receipt?.duplicate ? ' (sent before)' : ''}\n`);
		}
	} finally {
		await sender.close();
	}
}

function createCommand(): Command {
	const collect = (value: string, list: readonly string[] = []): readonly string[] => [...list, value];
	return new Command('socketfleet emit')
		.description('Send an event to clients, through Redis or through the HTTP API.')
		.argument('[event]', 'name of the event')
		.argument('[args...]', 'its arguments: JSON, or text where it is no JSON')
		.option('--room <room>', 'reach the members of this room; may be repeated', collect)
		.option('--except <room>', 'leave the members of this room out; may be repeated', collect)
		.option('--namespace <name>', 'namespace (default: /)')
		.option('--volatile', "may be dropped when a client can't take it now; never recovered")
		.option('--key <key>', 'idempotency key: the same key is sent once in 24 hours')
		.option('--stdin', 'one event for each line of standard input: {"event", "args", "rooms", ...}; with [event] given, its argument')
		.option('--redis <url>', 'Redis of the fleet (default: from the configuration)')
		.option('--fleet <name>', 'fleet to reach (default: from the configuration)')
		.option('--stream <name>', 'stream of plain servers with the official adapter, in place of a fleet')
		.option('--url <url>', 'go through the HTTP API at this address, not through Redis')
		.option('--token <token>', 'bearer token for --url (default: the first of SOCKETFLEET_API_TOKENS)')
		.option('--token-file <file>', 'file that holds the token: a command line can be seen by others')
		.option('--timeout-ms <ms>', 'how long one send may take', '5000')
		.addHelpText(
			'after',
			`
Examples:
  socketfleet emit --redis redis://localhost:6379 --room lobby news '{"title":"hello"}'
  socketfleet emit --url http://localhost:9466 --token-file ./token restart-at 12:30
  jq -c '{event: "price", args: [.], rooms: [.symbol]}' prices.json | socketfleet emit --stdin`,
		)
		.exitOverride();
}

function checkFlags(flags: Flags, event: string | undefined, values: readonly string[]): void {
	if (event === undefined && !flags.stdin) {
		throw new AppError('ERR_USAGE', 'name an event, or give --stdin (see socketfleet emit --help)');
	}
	if (flags.stdin && (values.length > 0 || flags.key !== undefined)) {
		throw new AppError('ERR_USAGE', 'with --stdin arguments and idempotency keys come from the lines');
	}
	if (flags.url !== undefined && (flags.redis !== undefined || flags.stream !== undefined || flags.fleet !== undefined)) {
		throw new AppError('ERR_USAGE', '--url goes through the API of one fleet: leave --redis, --fleet and --stream out');
	}
	if (!/^[1-9]\d{0,6}$/.test(flags.timeoutMs)) {
		throw new AppError('ERR_USAGE', '--timeout-ms must be a whole number of milliseconds');
	}
}

interface Pace {
	readonly batchSize: number;
	readonly concurrency: number;
}

/** One connection to Redis keeps the order of what is sent on it; HTTP requests may overtake each other, so one at a time. */
const REDIS_PACE: Pace = { batchSize: 100, concurrency: 8 };
const HTTP_PACE: Pace = { batchSize: 500, concurrency: 1 };

function openSender(flags: Flags): { readonly sender: Sender; readonly pace: Pace } {
	const timeoutMs = Number(flags.timeoutMs);
	if (flags.url !== undefined) {
		return { sender: createHttpSender({ url: flags.url, token: findToken(flags), timeoutMs }), pace: HTTP_PACE };
	}
	const options = {
		timeoutMs,
		...(flags.stream === undefined ? {} : { stream: flags.stream }),
		...(flags.fleet === undefined ? {} : { fleet: flags.fleet }),
	};
	const sender = flags.redis === undefined ? openConfigured(options) : openEmitter({ ...options, redis: flags.redis });
	return { sender, pace: REDIS_PACE };
}

function openEmitter(options: EmitterOptions): Sender {
	const emitter = createEmitter(options);
	return { batch: (messages) => emitter.batch(messages.map(withBytes)), close: () => emitter.close() };
}

/** Redis as the configuration has it: Sentinel, Cluster, TLS, password from a file of its own. */
function openConfigured(options: Omit<EmitterOptions, 'redis'>): Sender {
	const { config } = loadConfig({ flags: { fleetKey: UNUSED_FLEET_KEY } });
	if (config.redisUrl === '') {
		throw new AppError('ERR_USAGE', 'where to? give --redis, --url, or SOCKETFLEET_REDIS_URL');
	}
	const redis = createRedis(config, createSilentLogger());
	// The fleet's own cap; that of other servers is not in the configuration.
	const cap = options.stream === undefined ? { maxEntries: config.streamMaxEntries } : {};
	const sender = openEmitter({ fleet: config.fleet, ...cap, ...options, redis: redis.commands });
	return {
		...sender,
		close: async () => {
			await sender.close();
			await redis.close();
		},
	};
}

/** `{"$binary": "<base64>"}` means the same as over HTTP. */
function withBytes(message: EmitMessage): EmitMessage {
	const decoded = decodeJsonBinary(message.args, 'args');
	if (decoded.kind === 'bad') {
		throw new AppError('ERR_VALIDATION', `${decoded.pointer} ${decoded.detail}`);
	}
	return message;
}

function findToken(flags: Flags): string {
	if (flags.tokenFile !== undefined) {
		try {
			// The chart's Secret holds a list, as SOCKETFLEET_API_TOKENS does.
			return readFileSync(flags.tokenFile, 'utf8').split(',')[0]?.trim() ?? '';
		} catch (error) {
			throw new AppError('ERR_USAGE', `--token-file: ${messageOf(error)}`, { cause: error });
		}
	}
	const token = flags.token ?? loadConfig({ flags: { fleetKey: UNUSED_FLEET_KEY } }).config.apiTokens[0];
	if (token === undefined) {
		throw new AppError('ERR_USAGE', 'the API wants a token: give --token-file, --token, or SOCKETFLEET_API_TOKENS');
	}
	return token;
}

/** What the flags say of every message; a line's own fields win. */
function targetOf({ room, except, namespace, volatile }: Flags): Omit<EmitMessage, 'event'> {
	return {
		...(room === undefined ? {} : { rooms: room }),
		...(except === undefined ? {} : { except }),
		...(namespace === undefined ? {} : { namespace }),
		...(volatile === undefined ? {} : { volatile }),
	};
}

function parseValue(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		// `news hello` needs no quotes within quotes.
		return text;
	}
}

async function sendLines(sender: Sender, flags: Flags, event: string | undefined, pace: Pace): Promise<void> {
	const target = targetOf(flags);
	const started = performance.now();
	let shown = 0;
	const pump = new Pump({
		sender,
		...pace,
		toMessage: (value) => (event === undefined ? toMessage(value, target) : { ...target, event, args: [value] }),
		onFailure: (line, error) => {
			shown++;
			if (shown <= MAX_FAILURES_SHOWN) {
				process.stderr.write(`line ${line}: ${error.message}\n`);
			} else if (shown === MAX_FAILURES_SHOWN + 1) {
				process.stderr.write('further failures are counted only\n');
			}
		},
	});
	const progress = setInterval(() => process.stderr.write(`${describe(pump.tally, started)}\n`), PROGRESS_EVERY_MS);
	try {
		process.stdin.setEncoding('utf8');
		const { failed, firstFailure } = await pump.run(process.stdin);
		process.stderr.write(`${describe(pump.tally, started)}\n`);
		if (firstFailure) {
			throw new AppError(firstFailure.code, `${failed} lines were not sent; the first: ${firstFailure.message}`);
		}
	} finally {
		clearInterval(progress);
	}
}

function toMessage(value: unknown, target: Omit<EmitMessage, 'event'>): EmitMessage {
	if (typeof value !== 'object' || value === null || Array.isArray(value)) {
		throw new AppError('ERR_VALIDATION', 'is not a message: an object with "event", or name the event on the command line');
	}
	// Whether it is one is checked where all messages are.
	return { ...target, ...value } as EmitMessage;
}

function describe({ sent, failed }: Tally, started: number): string {
	const rate = Math.round(sent / ((performance.now() - started) / 1000));
	return `sent ${sent}, failed ${failed}, ${rate} lines/s`;
}
