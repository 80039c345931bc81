/** docker, kind, kubectl and helm, run beside live clients: never blocking. */
import { spawn } from 'node:child_process';

export interface RunOptions {
	readonly input?: string;
	readonly env?: NodeJS.ProcessEnv;
	readonly cwd?: string;
	readonly timeoutMs?: number;
}

export class CommandFailed extends Error {
	override readonly name = 'CommandFailed';
	readonly output: string;

	constructor(command: string, how: string, output: string) {
		super(`${command}: ${how}\n${output}`);
		this.output = output;
	}
}

/** Resolves with standard output; rejects with CommandFailed, which holds both outputs. A missing program is an error like any other. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
	const { input = '', env = {}, cwd, timeoutMs = 180_000 } = options;
	const command = `${program} ${args.join(' ')}`;
	return new Promise((resolve, reject) => {
		const child = spawn(program, args, { env: { ...process.env, ...env }, ...(cwd === undefined ? {} : { cwd }), timeout: timeoutMs });
		let stdout = '';
		let stderr = '';
		child.stdout.setEncoding('utf8').on('data', (text: string) => {
			stdout += text;
		});
		child.stderr.setEncoding('utf8').on('data', (text: string) => {
			stderr += text;
		});
		// A program that ends without reading its input must not end us.
		child.stdin.on('error', () => child.stdin.destroy());
		child.stdin.end(input);
		child.on('error', (error) => reject(new CommandFailed(command, error.message, stderr)));
		child.on('close', (code, signal) => {
			if (code === 0) {
				resolve(stdout);
			} else {
				reject(new CommandFailed(command, signal === null ? `exit ${code}` : `ended by ${signal}`, `${stdout}${stderr}`));
			}
		});
	});
}

/** One cluster and one namespace of it, through kubectl and helm. */
export class Kube {
	readonly #kubeconfig: string;
	readonly namespace: string;

	constructor(kubeconfig: string, namespace: string) {
		this.#kubeconfig = kubeconfig;
		this.namespace = namespace;
	}

	in(namespace: string): Kube {
		return new Kube(this.#kubeconfig, namespace);
	}

	kubectl(args: readonly string[], options: RunOptions = {}): Promise<string> {
		return run('kubectl', ['--namespace', this.namespace, ...args], { ...options, env: this.#env() });
	}

	/** A plugin of kubectl: its flags come behind its name. */
	plugin(name: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
		const env = { ...options.env, ...this.#env() };
		return run('kubectl', [name, ...args, '--namespace', this.namespace], { ...options, env });
	}

	helm(args: readonly string[], options: RunOptions = {}): Promise<string> {
		return run('helm', ['--namespace', this.namespace, ...args], { ...options, env: this.#env() });
	}

	/** Commands as a person types them, for the cluster; they name the namespace themselves. */
	shell(commands: string, options: RunOptions = {}): Promise<string> {
		return run('bash', ['-euo', 'pipefail', '-c', commands], { ...options, env: { ...options.env, ...this.#env() } });
	}

	async json<T>(args: readonly string[]): Promise<T> {
		return JSON.parse(await this.kubectl([...args, '-o', 'json'])) as T;
	}

	apply(yaml: string, args: readonly string[] = []): Promise<string> {
		return this.kubectl(['apply', '--server-side', '--force-conflicts', ...args, '-f', '-'], { input: yaml });
	}

	/** A program inside a container; `target` as `deploy/fleet` or a pod's name. */
	exec(target: string, command: readonly string[]): Promise<string> {
		return this.kubectl(['exec', target, '--', ...command]);
	}

	rolledOut(workload: string, timeoutS = 180): Promise<string> {
		return this.kubectl(['rollout', 'status', workload, `--timeout=${timeoutS}s`], { timeoutMs: (timeoutS + 30) * 1000 });
	}

	#env(): NodeJS.ProcessEnv {
		return { KUBECONFIG: this.#kubeconfig };
	}
}
