import { test } from 'node:test';
import { fuzzParsers } from '../support/fuzz.ts';

test('1,000,000 damaged inputs to the byte parsers', () => {
	fuzzParsers(1_000_000, 20_260);
});
