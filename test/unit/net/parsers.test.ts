/** What holds for every byte parser; what is particular to one stands in its own file. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzParsers, PARSERS } from '../../support/fuzz.ts';

test('fed one byte at a time, each parser waits until the last and then decides once', () => {
	for (const { name, parse, samples } of PARSERS) {
		for (const sample of samples) {
			const { kind, length = 0 } = parse(sample);
			assert.equal(kind, 'found', `${name}: ${sample.toString('latin1')}`);
			for (let bytes = 0; bytes < length; bytes++) {
				assert.equal(
					parse(sample.subarray(0, bytes)).kind,
					'need-more',
					`${name}: ${bytes} of ${length} bytes of ${sample.toString('latin1')}`,
				);
			}
			for (let bytes = length; bytes <= sample.length; bytes++) {
				assert.equal(parse(sample.subarray(0, bytes)).length, length, name);
			}
		}
	}
});

test('20,000 damaged inputs: no throw, no verdict that later bytes change', () => {
	const seen = fuzzParsers(20_000, 1);
	for (const verdict of ['found', 'invalid', 'need-more']) {
		for (const { name } of PARSERS) {
			assert.ok((seen.get(`${name} ${verdict}`) ?? 0) > 100, `the inputs reach ${name} ${verdict}`);
		}
	}
	assert.ok((seen.get('scanHead too-large') ?? 0) > 100);
});
