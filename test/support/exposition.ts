/** A strict parser of the Prometheus text format: throws for whatever a scraper might refuse or misread. */
import assert from 'node:assert/strict';

export interface ParsedFamily {
	readonly help: string;
	readonly type: string;
	/** By `name{label="value",...}` with labels sorted by name. */
	readonly samples: Map<string, number>;
}

const HELP = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/;
const TYPE = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary)$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/y;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
	histogram: ['_bucket', '_sum', '_count'],
	summary: ['', '_sum', '_count'],
};

export function parseExposition(text: string): Map<string, ParsedFamily> {
	assert.ok(text.endsWith('\n'), 'the last line ends with a line feed');
	const families = new Map<string, ParsedFamily>();
	const seen = new Set<string>();
	const lines = text.slice(0, -1).split('\n');
	let current: { name: string; family: ParsedFamily } | undefined;
	for (let index = 0; index < lines.length; index++) {
		const line = lines[index] ?? '';
		const help = HELP.exec(line);
		if (help) {
			const [, name = '', helpText = ''] = help;
			const [, typeName, type = ''] = TYPE.exec(lines[++index] ?? '') ?? [];
			assert.equal(typeName, name, `TYPE follows HELP of ${name}`);
			assert.ok(!families.has(name), `${name} appears once`);
			current = { name, family: { help: unescapeText(helpText), type, samples: new Map() } };
			families.set(name, current.family);
			continue;
		}
		const [, name = '', labels, value = ''] = SAMPLE.exec(line) ?? assert.fail(`not a sample: ${line}`);
		assert.ok(current, `a family before ${line}`);
		const suffixes = SUFFIXES[current.family.type] ?? [''];
		assert.ok(
			suffixes.some((suffix) => name === `${current?.name}${suffix}`),
			`${name} belongs to ${current.name}`,
		);
		const key = `${name}${renderLabels(parseLabels(labels))}`;
		assert.ok(!seen.has(key), `${key} appears once`);
		seen.add(key);
		current.family.samples.set(key, parseValue(value));
	}
	for (const [name, { type, samples }] of families) {
		if (type === 'histogram') {
			checkHistogram(name, samples);
		}
	}
	return families;
}

/** The value of one sample, named as in `ParsedFamily.samples`; 0 when it is not there. */
export function sampleValue(families: Map<string, ParsedFamily>, key: string): number {
	const [name = ''] = key.split('{');
	return (families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, '')))?.samples.get(key) ?? 0;
}

function parseLabels(text: string | undefined): Map<string, string> {
	const labels = new Map<string, string>();
	LABEL.lastIndex = 0;
	while (text !== undefined && LABEL.lastIndex < text.length) {
		const [, name = '', value = ''] = LABEL.exec(text) ?? assert.fail(`labels: ${text}`);
		assert.ok(!labels.has(name), `label ${name} appears once`);
		labels.set(name, unescapeText(value));
	}
	return labels;
}

function renderLabels(labels: Map<string, string>): string {
	const pairs = [...labels].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${name}="${value}"`);
	return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function unescapeText(text: string): string {
	return text.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
}

function parseValue(text: string): number {
	const special = { NaN: Number.NaN, '+Inf': Number.POSITIVE_INFINITY, '-Inf': Number.NEGATIVE_INFINITY }[text];
	if (special !== undefined) {
		return special;
	}
	assert.match(text, /^-?\d+(\.\d+)?(e[+-]?\d+)?$/);
	return Number(text);
}

/** Buckets ascend and accumulate, end with +Inf, and that one equals the count. */
function checkHistogram(name: string, samples: Map<string, number>): void {
	const series = new Map<string, { bound: number; value: number }[]>();
	for (const [key, value] of samples) {
		const bound = /le="([^"]*)"/.exec(key)?.[1];
		if (bound !== undefined) {
			const rest = key
				.replace(/,?le="[^"]*"/, '')
				.replace('{,', '{')
				.replace('{}', '')
				.replace(`${name}_bucket`, `${name}_count`);
			series.set(rest, [...(series.get(rest) ?? []), { bound: parseValue(bound), value }]);
		}
	}
	for (const [countKey, buckets] of series) {
		for (const [index, { bound, value }] of buckets.entries()) {
			const before = buckets[index - 1];
			assert.ok(!before || (bound > before.bound && value >= before.value), `buckets of ${countKey} ascend`);
		}
		assert.equal(buckets.at(-1)?.bound, Number.POSITIVE_INFINITY);
		assert.equal(buckets.at(-1)?.value, samples.get(countKey), `${countKey} equals its +Inf bucket`);
	}
}
