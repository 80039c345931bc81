/** The command line of `kubectl socketfleet`. */
import { Command, Option } from 'commander';
import { VERSION } from '../config/version.ts';
import { parseInterval } from '../terminal/flags.ts';
import type { Session, SessionFlags } from './session.ts';

type Flags = SessionFlags & { readonly [flag: string]: unknown };

export function createKubectlProgram(): Command {
	const program = new Command('kubectl-socketfleet')
		.usage('<command> [options]')
		.description('Looks at fleets in a Kubernetes cluster, drains their pods, and finds what is wrong with them.')
		.version(VERSION, '-V, --version')
		.option('-n, --namespace <name>', "namespace (default: the context's)")
		.option('--context <name>', 'context of the kubeconfig (default: the current one)')
		.option('--kubeconfig <file>', 'kubeconfig (default: $KUBECONFIG, or ~/.kube/config)')
		.addOption(new Option('-o, --output <format>', 'table or json').choices(['table', 'json']).default('table'))
		.configureHelp({ showGlobalOptions: true })
		.exitOverride()
		.showHelpAfterError('(see --help)')
		.addHelpText(
			'after',
			`
Examples:
  kubectl socketfleet status -n chat              every fleet of the namespace
  kubectl socketfleet top chat -n chat            one of them, live
  kubectl socketfleet drain chat-6d5f7-x2x4q -n chat
  kubectl socketfleet doctor chat -n chat --url https://chat.example.com`,
		);

	program
		.command('status')
		.argument('[fleet]', 'default: all of the namespace')
		.description('Show fleets; of one also pods, conditions and problems.')
		.action(async (fleet: string | undefined, _own: object, command: Command) => {
			const { runStatus } = await import('./status.ts');
			await run(command, (session) => runStatus(session, fleet));
		});
	program
		.command('drain')
		.argument('<pod>', 'name of the pod')
		.description('Take a pod out of service, close its connections at its own pace, wait until it is empty.')
		.option('--undo', 'take it back into service')
		.action(async (pod: string, own: { undo?: boolean }, command: Command) => {
			const { runDrain } = await import('./drain.ts');
			await run(command, (session) => runDrain(session, pod, { undo: own.undo ?? false }));
		});
	program
		.command('rebalance')
		.argument('[fleet]', 'default: the only one of the namespace')
		.description("Say what the operator's rebalance would do now.")
		.option('--dry-run', 'needed: the operator alone moves connections')
		.action(async (fleet: string | undefined, own: { dryRun?: boolean }, command: Command) => {
			const { runRebalance } = await import('./rebalance.ts');
			await run(command, (session) => runRebalance(session, fleet, own.dryRun ?? false));
		});
	program
		.command('top')
		.argument('[fleet]', 'default: the only one of the namespace')
		.description('Show the pods of a fleet live: connections, rates, event loops.')
		.option('--interval <seconds>', 'time between two looks', '2')
		.option('--once', 'one look, and the end')
		.action(async (fleet: string | undefined, own: { interval: string; once?: boolean }, command: Command) => {
			const options = { intervalMs: parseInterval(own.interval), once: own.once ?? false };
			const { runFleetTop } = await import('./top.ts');
			await run(command, (session) => runFleetTop(session, fleet, options));
		});
	program
		.command('doctor')
		.argument('[fleet]', 'default: the only one of the namespace')
		.description('Find what is wrong with a fleet, each with what was seen and how to mend it.')
		.option('--url <url>', 'public address to try (default: from the Ingress or HTTPRoute)')
		.option('--no-requests', 'send no requests to the public address')
		.action(async (fleet: string | undefined, own: { url?: string; requests: boolean }, command: Command) => {
			const { runDoctor } = await import('./doctor/doctor.ts');
			await run(command, (session) => runDoctor(session, fleet, own));
		});
	return program;
}

/** The client of Kubernetes is loaded only when something is asked of a cluster: --help is quick. */
async function run(command: Command, work: (session: Session) => Promise<void>): Promise<void> {
	const { withSession } = await import('./session.ts');
	await withSession(command.optsWithGlobals<Flags>(), work);
}
