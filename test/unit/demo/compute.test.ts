import assert from 'node:assert/strict';
import { test } from 'node:test';
import { combine, reduce } from '../../../src/demo/compute.ts';

function partial(worker: number, ...values: number[]): Parameters<typeof combine>[0][number] {
	const from = { id: `${worker}`, name: 'Ada', color: 'blue' } as const;
	return { pod: 'pod1', worker, samples: values.length, ...reduce(values.map((value) => ({ from, value, at: 0 }))) };
}

test('partial results combine to the result over all values', () => {
	const result = combine([partial(1, 10, 40), partial(0), partial(2, 70, 80)]);
	assert.partialDeepStrictEqual(result, {
		count: 4,
		mean: 50,
		min: 10,
		max: 80,
		samples: 4,
		workers: [{ worker: 0 }, { worker: 1 }, { worker: 2 }],
	});
});

test('there is no mean, minimum or maximum of nothing', () => {
	assert.partialDeepStrictEqual(combine([partial(0)]), { count: 0, mean: null, min: null, max: null });
	assert.equal(JSON.stringify(combine([partial(0)])).includes('Infinity'), false);
});
