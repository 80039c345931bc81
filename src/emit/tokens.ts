/** Bearer tokens of the emit API: what each may do, and which one a request carries. Pure but for the hash. */
import { hash, timingSafeEqual } from 'node:crypto';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { AppError } from '../base/errors.ts';
import type { Reach } from './message.ts';
import { sentenceOf, toProblems } from './validate.ts';

export const VERBS = ['emit', 'rooms', 'disconnect', 'read'] as const;
export type Verb = (typeof VERBS)[number];

export interface Token {
	/** Appears in logs and answers. */
	readonly name: string;
	readonly digest: Buffer;
	readonly verbs: readonly Verb[];
	/** Undefined: every namespace. */
	readonly namespaces: readonly string[] | undefined;
	/** Prefixes of room names. Undefined: every room, and messages to all. */
	readonly roomPrefixes: readonly string[] | undefined;
	/** Unix time in ms. */
	readonly expiresAt: number | undefined;
	readonly ratePerSecond: number;
}

/** The shape of `SOCKETFLEET_API_TOKENS_FILE`. */
export const TOKENS_FILE = {
	type: 'object',
	additionalProperties: false,
	required: ['tokens'],
	properties: {
		tokens: {
			type: 'array',
			items: {
				type: 'object',
				additionalProperties: false,
				required: ['name', 'token'],
				properties: {
					name: { type: 'string', pattern: '^[\\w.-]{1,64}$' },
					token: { type: 'string', pattern: '^\\S+$', minLength: 16 },
					verbs: { type: 'array', items: { enum: VERBS } },
					namespaces: { type: 'array', items: { type: 'string', pattern: '^/' } },
					roomPrefixes: { type: 'array', items: { type: 'string', minLength: 1 } },
					expires: { type: 'string' },
					ratePerSecond: { type: 'integer', minimum: 1 },
				},
			},
		},
	},
} as const;

interface TokensFile {
	readonly tokens: readonly {
		readonly name: string;
		readonly token: string;
		readonly verbs?: readonly Verb[];
		readonly namespaces?: readonly string[];
		readonly roomPrefixes?: readonly string[];
		readonly expires?: string;
		readonly ratePerSecond?: number;
	}[];
}

const validateFile = new Ajv2020({ strict: true }).compile<TokensFile>(TOKENS_FILE);

/** Tokens from the option `apiTokens`: full scope. */
export function buildInlineTokens(tokens: readonly string[], ratePerSecond: number): readonly Token[] {
	return tokens.map((token, index) => ({
		name: `token-${index + 1}`,
		digest: digestOf(token),
		verbs: VERBS,
		namespaces: undefined,
		roomPrefixes: undefined,
		expiresAt: undefined,
		ratePerSecond,
	}));
}

/** Throws ERR_CONFIG that names the field; never quotes the file, which holds secrets. */
export function parseTokensFile(text: string, ratePerSecond: number): readonly Token[] {
	let parsed: unknown;
	try {
		parsed = JSON.parse(text);
	} catch {
		// Without the cause: V8 quotes what it could not parse.
		throw new AppError('ERR_CONFIG', 'the tokens file is not JSON');
	}
	if (!validateFile(parsed)) {
		throw new AppError('ERR_CONFIG', `the tokens file: ${sentenceOf(toProblems(validateFile.errors))}`);
	}
	return parsed.tokens.map((row, index) => ({
		name: row.name,
		digest: digestOf(row.token),
		verbs: row.verbs ?? VERBS,
		namespaces: row.namespaces,
		roomPrefixes: row.roomPrefixes,
		expiresAt: row.expires === undefined ? undefined : parseExpiry(row.expires, index),
		ratePerSecond: row.ratePerSecond ?? ratePerSecond,
	}));
}

function parseExpiry(text: string, index: number): number {
	const at = Date.parse(text);
	if (Number.isNaN(at)) {
		throw new AppError('ERR_CONFIG', `the tokens file: tokens/${index}/expires must be a date as 2027-01-31T00:00:00Z`);
	}
	return at;
}

export type Authentication = { readonly kind: 'token'; readonly token: Token } | { readonly kind: 'refused'; readonly detail: string };

/** Takes as long for every wrong token: digests are compared, and all of them. */
export function authenticate(header: string | undefined, tokens: readonly Token[], now: number): Authentication {
	const presented = /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1];
	if (presented === undefined) {
		return { kind: 'refused', detail: 'send a token: Authorization: Bearer <token>' };
	}
	const digest = digestOf(presented);
	let found: Token | undefined;
	for (const token of tokens) {
		if (timingSafeEqual(token.digest, digest)) {
			found = token;
		}
	}
	if (found === undefined) {
		return { kind: 'refused', detail: 'this token is not known' };
	}
	return found.expiresAt !== undefined && found.expiresAt <= now
		? { kind: 'refused', detail: `token "${found.name}" has expired` }
		: { kind: 'token', token: found };
}

/** What a token lacks. */
export interface Denial {
	readonly scope: 'verbs' | 'namespaces' | 'roomPrefixes';
	readonly detail: string;
}

export function findDenial(token: Token, verb: Verb, reaches: readonly Reach[]): Denial | undefined {
	if (!token.verbs.includes(verb)) {
		return { scope: 'verbs', detail: `token "${token.name}" may not ${verb}; it may ${listOf(token.verbs)}` };
	}
	for (const { namespace, rooms } of reaches) {
		if (token.namespaces && !token.namespaces.includes(namespace)) {
			return {
				scope: 'namespaces',
				detail: `token "${token.name}" may not use namespace ${namespace}; it may ${listOf(token.namespaces)}`,
			};
		}
		const refused = findRefusedRoom(token, rooms);
		if (refused !== undefined && token.roomPrefixes) {
			return {
				scope: 'roomPrefixes',
				detail: `token "${token.name}" may not reach ${refused}; only rooms that begin with ${listOf(token.roomPrefixes)}`,
			};
		}
	}
	return undefined;
}

export function mayReachRoom({ roomPrefixes }: Token, room: string): boolean {
	return roomPrefixes === undefined || roomPrefixes.some((prefix) => room.startsWith(prefix));
}

function findRefusedRoom(token: Token, rooms: readonly string[] | undefined): string | undefined {
	if (token.roomPrefixes === undefined) {
		return undefined;
	}
	const refused = rooms?.find((room) => !mayReachRoom(token, room));
	return rooms === undefined ? 'every client' : refused && `room "${refused}"`;
}

function listOf(names: readonly string[]): string {
	return names.length === 0 ? 'nothing' : names.join(', ');
}

function digestOf(token: string): Buffer {
	return hash('sha256', token, 'buffer');
}
