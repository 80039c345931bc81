#!/usr/bin/env node
/** argv -> command -> config -> dynamic import of one role's main. */
import cluster from 'node:cluster';
import { Command, Option } from 'commander';
import { loadConfig } from './config/load.ts';
import { redactConfig } from './config/redact.ts';
import { type Config, envNameOf, flagNameOf, OPTION_KEYS, type OptionKey, specOf } from './config/schema.ts';
import { VERSION } from './config/version.ts';
import type { OperatorFlags } from './operator-command.ts';
import { runProgram } from './run-program.ts';
import { parseInterval } from './terminal/flags.ts';

type Flags = Partial<Record<OptionKey, unknown>> & { config?: string };

async function main(argv: readonly string[]): Promise<void> {
	if (cluster.isWorker) {
		const { runWorker } = await import('./worker/main.ts');
		await runWorker();
		return;
	}
	await createProgram().parseAsync([...argv]);
}

function createProgram(): Command {
	const program = new Command('socketfleet')
		.description('Runs a Socket.IO application as a fleet.')
		.version(VERSION, '-V, --version')
		.exitOverride()
		.showHelpAfterError('(see --help)')
		.addHelpText(
			'after',
			`
Examples:
  socketfleet serve                          the demo, on http://localhost:3000
  socketfleet serve ./app.js --workers 4     your application
  SOCKETFLEET_REDIS_URL=redis://cache:6379 SOCKETFLEET_FLEET_KEY=$(openssl rand -hex 32) socketfleet serve ./app.js
  socketfleet config                         what is in force, and where each value came from
  socketfleet status                         of the pod on this host
  socketfleet top                            the same, live
  socketfleet emit --room lobby news '{"a":1}'`,
		);

	withOptions(program.command('serve').argument('[app]', 'module of the application; without it, the demo'))
		.description('Run a pod: workers, placement, metrics, drain.')
		.action(async (app: string | undefined, flags: Flags) => {
			const { config } = load(app === undefined ? flags : { ...flags, app });
			const { runPrimary } = await import('./primary/main.ts');
			await runPrimary(config);
		});

	withOptions(program.command('config'))
		.description('Show the effective configuration, secrets hidden, and where each value came from.')
		.option('--json', 'as JSON')
		.action((flags: Flags & { json?: boolean }) => {
			const { json, ...rest } = flags;
			showConfig(load(rest), json ?? false);
		});

	program
		.command('status')
		.description('Show the state of a running pod.')
		.option('--url <url>', 'admin address of the pod', 'http://127.0.0.1:9464')
		.option('--token <token>', 'admin token, if one is configured')
		.option('--json', 'as JSON')
		.action(async (options: { url: string; token?: string; json?: boolean }) => {
			const { runStatus } = await import('./status-command.ts');
			await runStatus(options);
		});

	program
		.command('top')
		.description('Show a running pod live: connections, rates, event loops.')
		.option('--url <url>', 'admin address of the pod', 'http://127.0.0.1:9464')
		.option('--token <token>', 'admin token, if one is configured')
		.option('--interval <seconds>', 'time between two looks', '2')
		.option('--once', 'one look, and the end')
		.action(async (options: { url: string; token?: string; interval: string; once?: boolean }) => {
			const { interval, once = false, ...address } = options;
			const { runTopCommand } = await import('./top-command.ts');
			await runTopCommand({ ...address, intervalMs: parseInterval(interval), once });
		});

	program
		.command('emit', { hidden: false })
		.description('Send an event to clients, through Redis or the HTTP API (see emit --help).')
		.helpOption(false)
		.allowUnknownOption()
		.allowExcessArguments()
		.argument('[args...]')
		.action(async (_args: string[], _options: unknown, command: Command) => {
			const { runEmit } = await import('./emit-command.ts');
			await runEmit(command.args);
		});

	program
		.command('operator')
		.description('Run the Kubernetes operator: makes fleets of SocketFleet objects.')
		.option('--namespace <name>', 'fleets of this namespace only (default: of all)')
		.option('--lease-namespace <name>', 'where the Lease of the leader is (default: its own)')
		.option('--host <address>', 'address of its ports', '')
		.option('--admin-port <port>', 'port of /livez, /readyz and /metrics; 0 takes a free one', '9464')
		.option('--custom-metrics-service <name>', 'serve custom.metrics.k8s.io as this Service of its own namespace (default: not)')
		.option('--custom-metrics-port <port>', 'port of custom.metrics.k8s.io; 0 takes a free one', '6443')
		.option('--log-level <level>', 'lowest level that is logged', 'info')
		.option('--log-format <format>', 'json or pretty', 'json')
		.action(async (flags: OperatorFlags) => {
			const { runOperatorCommand } = await import('./operator-command.ts');
			await runOperatorCommand(flags);
		});

	program
		.command('version')
		.description('Print the version.')
		.action(() => console.log(VERSION));
	return program;
}

/** Every option of the table as a flag. */
function withOptions(command: Command): Command {
	command.option('--config <file>', 'configuration file (default: socketfleet.config.json, if it exists)');
	for (const key of OPTION_KEYS) {
		const spec = specOf(key);
		const fallback = spec.secret || spec.default === '' || spec.default.toString() === '' ? '' : ` Default: ${String(spec.default)}.`;
		command.addOption(new Option(`${flagNameOf(key)} <value>`, `${spec.doc}${fallback} [${envNameOf(key)}]`));
	}
	return command;
}

function load({ config, ...flags }: Flags): ReturnType<typeof loadConfig> {
	return loadConfig({ flags, ...(config === undefined ? {} : { file: config }) });
}

function showConfig({ config, origins, file }: ReturnType<typeof loadConfig>, json: boolean): void {
	const shown: Config = redactConfig(config);
	if (json) {
		const rows = OPTION_KEYS.map((key) => [key, { value: shown[key], from: origins[key] }]);
		console.log(JSON.stringify(Object.fromEntries(rows), undefined, 2));
		return;
	}
	const width = Math.max(...OPTION_KEYS.map((key) => key.length));
	for (const key of OPTION_KEYS) {
		const value = shown[key];
		const text = typeof value === 'object' ? value.join(',') : String(value);
		console.log(`${key.padEnd(width)}  ${text.padEnd(24)}  ${origins[key] === 'file' ? file : origins[key]}`);
	}
}

await runProgram('socketfleet', () => main(process.argv));
