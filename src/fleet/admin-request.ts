/** A request to the admin port of a pod that can be reached by an address, for people at a terminal. */
import { AppError, messageOf } from '../base/errors.ts';

export interface AdminAddress {
	readonly url: string;
	readonly token?: string;
}

/** The answer when it is a good one. Throws ERR_UNREACHABLE or ERR_UNAUTHORIZED, with what to do. */
export async function requestAdmin({ url, token }: AdminAddress, path: string, signal: AbortSignal): Promise<Response> {
	const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
	let response: Response;
	try {
		response = await fetch(new URL(path, url), { headers, signal });
	} catch (error) {
		const why = error instanceof Error && error.cause instanceof Error ? error.cause.message : messageOf(error);
		throw new AppError('ERR_UNREACHABLE', `no pod answers at ${url}: ${why}; start one with "socketfleet serve", or give --url`, {
			cause: error,
		});
	}
	if (response.status === 401) {
		throw new AppError('ERR_UNAUTHORIZED', `the pod at ${url} wants its admin token: give --token`);
	}
	if (!response.ok) {
		throw new AppError('ERR_UNREACHABLE', `the pod at ${url} answered ${response.status}: is it the admin port?`);
	}
	return response;
}
