/** Listening, with errors that say which option to change. */
import type { AddressInfo, Server } from 'node:net';
import { AppError, messageOf, systemCodeOf } from '../base/errors.ts';
import { envNameOf, type OptionKey } from '../config/schema.ts';

export interface ListenOptions {
	/** Empty: all addresses, IPv4 and IPv6. */
	readonly host: string;
	readonly port: number;
	readonly backlog?: number;
	/** The option that `port` came from, or a flag that is none, for the error. */
	readonly option: OptionKey | `--${string}`;
}

/** Resolves to the port; rejects with ERR_PORT and a sentence. */
export function listen(server: Server, { host, port, backlog, option }: ListenOptions): Promise<number> {
	return new Promise((resolve, reject) => {
		const onError = (error: Error): void => reject(new AppError('ERR_PORT', describe(error, port, option), { cause: error }));
		server.once('error', onError);
		server.listen({ port, ...(host === '' ? {} : { host }), ...(backlog === undefined ? {} : { backlog }) }, () => {
			server.off('error', onError);
			resolve((server.address() as AddressInfo).port);
		});
	});
}

function describe(error: Error, port: number, option: ListenOptions['option']): string {
	const name = isFlag(option) ? option : envNameOf(option);
	switch (systemCodeOf(error)) {
		case 'EADDRINUSE':
			return `port ${port} is in use: stop what listens there, or set ${name} to another (0 takes a free one)`;
		case 'EACCES':
			return `port ${port} may not be opened by this user: set ${name} to one above 1023`;
		default:
			return `cannot listen on port ${port} (${name}): ${messageOf(error)}`;
	}
}

function isFlag(option: ListenOptions['option']): option is `--${string}` {
	return option.startsWith('--');
}
