/**
 * Who asks, as the API server says that proxies the request: it proves itself by its client certificate and names the user in headers.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/ Pure.
 */
import { type KubeObject, pickText } from '../../kube/object.ts';

/** From the ConfigMap `extension-apiserver-authentication`. */
export interface FrontProxyTrust {
	/** PEM; who signs the proxy's certificate. */
	readonly clientCa: string;
	/** Common names of the certificate; empty: any. */
	readonly allowedNames: readonly string[];
	/** Lower case, the first that is present wins. */
	readonly userHeaders: readonly string[];
	readonly groupHeaders: readonly string[];
	readonly extraPrefixes: readonly string[];
}

/** The other end of a connection, as TLS sees it. */
export interface Peer {
	/** Its certificate is valid and signed by the client CA. */
	readonly verified: boolean;
	readonly commonName: string | undefined;
}

export interface User {
	readonly name: string;
	readonly groups: readonly string[];
	readonly extra: Readonly<Record<string, readonly string[]>>;
}

export type Headers = Readonly<Record<string, readonly string[] | undefined>>;

const ANONYMOUS = 'system:anonymous';
const AUTHENTICATED = 'system:authenticated';

/** Undefined when the cluster has no front proxy, or says so in a form that is not understood. */
export function parseTrust(configMap: KubeObject | undefined): FrontProxyTrust | undefined {
	const clientCa = pickText(configMap, 'data', 'requestheader-client-ca-file');
	const list = (key: string): readonly string[] | undefined => parseList(pickText(configMap, 'data', `requestheader-${key}`));
	const [allowedNames, users, groups, prefixes] = ['allowed-names', 'username-headers', 'group-headers', 'extra-headers-prefix'].map(list);
	if (clientCa === '' || !allowedNames || !users || !groups || !prefixes || users.length === 0) {
		return undefined;
	}
	const lower = (names: readonly string[]): readonly string[] => names.map((name) => name.toLowerCase());
	return { clientCa, allowedNames, userHeaders: lower(users), groupHeaders: lower(groups), extraPrefixes: lower(prefixes) };
}

/** A list of strings as JSON; absent is empty. */
function parseList(text: string): readonly string[] | undefined {
	try {
		const list: unknown = text === '' ? [] : JSON.parse(text);
		return Array.isArray(list) && list.every((item) => typeof item === 'string') ? list : undefined;
	} catch {
		return undefined; // SyntaxError is all that it throws
	}
}

/** Undefined: not the front proxy, or it names nobody. The headers of anyone else mean nothing. */
export function authenticate(trust: FrontProxyTrust, peer: Peer, headers: Headers): User | undefined {
	const isProxy =
		peer.verified && (trust.allowedNames.length === 0 || (peer.commonName !== undefined && trust.allowedNames.includes(peer.commonName)));
	const name = trust.userHeaders.map((header) => headers[header]?.[0] ?? '').find((value) => value !== '');
	if (!isProxy || name === undefined) {
		return undefined;
	}
	const named = trust.groupHeaders.flatMap((header) => headers[header] ?? []);
	// The aggregator's own user comes without the group that every user has.
	const groups = name === ANONYMOUS ? named : [...new Set([...named, AUTHENTICATED])];
	return { name, groups, extra: readExtra(trust, headers) };
}

function readExtra({ extraPrefixes }: FrontProxyTrust, headers: Headers): User['extra'] {
	const entries = Object.entries(headers).flatMap(([header, values]) => {
		const prefix = extraPrefixes.find((each) => header.startsWith(each));
		return prefix === undefined || values === undefined ? [] : [[unescapeKey(header.slice(prefix.length)), values] as const];
	});
	return Object.fromEntries(entries);
}

/** Percent-encoded by the proxy; what is not well encoded is taken as it is, as Kubernetes does. */
function unescapeKey(key: string): string {
	try {
		return decodeURIComponent(key);
	} catch {
		return key;
	}
}
