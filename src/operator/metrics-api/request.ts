/** What a request to the API asks for, from its method and URL. Pure. */
import { type LabelMatcher, parseLabelSelector } from './label-selector.ts';
import { GROUP, VERSION } from './pod-metrics.ts';

/** One metric of one pod, or with the name `*` of those that the selector matches. */
export interface ValuesRequest {
	readonly kind: 'values';
	readonly namespace: string;
	readonly pod: string;
	readonly metric: string;
	readonly selects: LabelMatcher;
	/** On the labels of the series. Ours have none beside their pod. */
	readonly selectsSeries: LabelMatcher;
	/** As given, for a sentence. */
	readonly selector: string;
}

/** Paths with one answer. */
export type FixedKind = 'live' | 'groups' | 'group' | 'resources' | 'open-api';

export type ApiRequest =
	| ValuesRequest
	| { readonly kind: FixedKind | 'unknown-path' | 'wrong-method' }
	| { readonly kind: 'malformed'; readonly problem: string };

/** Of OpenAPI the root of the v3 documents only: it lists none, and the 404 of `/openapi/v2` says the same to the aggregator. */
const FIXED: Readonly<Record<string, FixedKind>> = {
	'/livez': 'live',
	'/apis': 'groups',
	[`/apis/${GROUP}`]: 'group',
	[`/apis/${GROUP}/${VERSION}`]: 'resources',
	'/openapi/v3': 'open-api',
};
const VALUES = new RegExp(`^/apis/${GROUP}/${VERSION}/namespaces/([^/]+)/pods/([^/]+)/([^/]+)$`.replaceAll('.', String.raw`\.`));

export function parseRequest(method: string, url: string): ApiRequest {
	const [rawPath, query] = splitQuery(url);
	const path = decodePath(rawPath.replace(/(?<=.)\/$/, ''));
	if (path === undefined) {
		return { kind: 'malformed', problem: 'the path is not well encoded' };
	}
	const fixed = Object.hasOwn(FIXED, path) ? FIXED[path] : undefined;
	const values = VALUES.exec(path);
	if (fixed === undefined && !values) {
		return { kind: 'unknown-path' };
	}
	if (method !== 'GET' && method !== 'HEAD') {
		return { kind: 'wrong-method' };
	}
	return fixed === undefined ? parseValues(values ?? [], new URLSearchParams(query)) : { kind: fixed };
}

function parseValues([, namespace = '', pod = '', metric = '']: readonly string[], query: URLSearchParams): ApiRequest {
	const selector = query.get('labelSelector') ?? '';
	const selects = parseLabelSelector(selector);
	const seriesSelector = query.get('metricLabelSelector') ?? '';
	const selectsSeries = parseLabelSelector(seriesSelector);
	if (!selects || !selectsSeries) {
		const [name, text] = selects ? ['metricLabelSelector', seriesSelector] : ['labelSelector', selector];
		return { kind: 'malformed', problem: `unable to parse ${name} ${JSON.stringify(text)}` };
	}
	return { kind: 'values', namespace, pod, metric, selects, selectsSeries, selector };
}

/** A slash that is encoded would be read as two segments: none of our names has one. */
function decodePath(path: string): string | undefined {
	try {
		return decodeURIComponent(path);
	} catch {
		return undefined; // URIError is all that it throws
	}
}

function splitQuery(url: string): readonly [path: string, query: string] {
	const at = url.indexOf('?');
	return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)];
}
