/** Label selectors as the Kubernetes API takes them in a query, equality and set-based. Pure. */
import type { Labels } from '../desired/names.ts';

export type LabelMatcher = (labels: Labels) => boolean;

/** What one requirement says of the value of its key; undefined: the object has no such label. */
type ValueTest = (value: string | undefined) => boolean;

const KEY = String.raw`([A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?)`;
const VALUE = /^([A-Za-z0-9]([\w.-]*[A-Za-z0-9])?)?$/;
const EXISTS = new RegExp(`^${KEY}$`);
const ABSENT = new RegExp(`^!\\s*${KEY}$`);
const EQUALITY = new RegExp(`^${KEY}\\s*(==|=|!=)\\s*(\\S*)$`);
const MEMBERSHIP = new RegExp(`^${KEY}\\s+(in|notin)\\s*\\(([^()]*)\\)$`);

/** Undefined when it is malformed. Empty selects everything. Grammar: https://kubernetes.io/docs/reference/kubernetes-api/labels-annotations-taints/ */
export function parseLabelSelector(text: string): LabelMatcher | undefined {
	if (text.trim() === '') {
		return () => true;
	}
	const matchers = splitRequirements(text).map((part) => parseRequirement(part.trim()));
	const valid = matchers.filter((matcher) => matcher !== undefined);
	return valid.length === matchers.length ? (labels) => valid.every((matches) => matches(labels)) : undefined;
}

/** At the commas that are not inside the parentheses of a set. */
function splitRequirements(text: string): readonly string[] {
	const parts: string[] = [];
	let from = 0;
	let inSet = false;
	for (let at = 0; at < text.length; at++) {
		const character = text[at];
		if (character === '(' || character === ')') {
			inSet = character === '(';
		} else if (character === ',' && !inSet) {
			parts.push(text.slice(from, at));
			from = at + 1;
		}
	}
	return [...parts, text.slice(from)];
}

function parseRequirement(part: string): LabelMatcher | undefined {
	const [, absent] = ABSENT.exec(part) ?? [];
	if (absent !== undefined) {
		return on(absent, (value) => value === undefined);
	}
	const [, present] = EXISTS.exec(part) ?? [];
	if (present !== undefined) {
		return on(present, (value) => value !== undefined);
	}
	const [, key = '', operator, operand = ''] = EQUALITY.exec(part) ?? MEMBERSHIP.exec(part) ?? [];
	if (operator === undefined) {
		return undefined;
	}
	const isSet = operator === 'in' || operator === 'notin';
	const values = isSet ? operand.split(',').map((value) => value.trim()) : [operand];
	if (!values.every((value) => VALUE.test(value))) {
		return undefined;
	}
	const isOneOf: ValueTest = (value) => value !== undefined && values.includes(value);
	// Without the label an object is in no set: it passes the negative requirements.
	return on(key, operator === '!=' || operator === 'notin' ? (value) => !isOneOf(value) : isOneOf);
}

function on(key: string, test: ValueTest): LabelMatcher {
	return (labels) => test(Object.hasOwn(labels, key) ? labels[key] : undefined);
}
