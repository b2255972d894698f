/** The short form of `npm run model`: spin and a C compiler are found or fetched first. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'mocha';
import { modelOptions } from '../model/options.ts';
import { type Results, runModels } from '../model/run-models.ts';

const options = modelOptions(['--short']);
assert.ok(options);
const told: string[] = [];
const progress = (line: string): void => void told.push(line);

describe('models, in their short form', function () {
  this.timeout(600_000);
  let results: Results;
  before(async () => {
    const { signal } = new AbortController();
    results = await runModels({
      ...options,
      signal,
      progress,
      parts: { env: process.env, signal, progress },
    });
  });

  it('keep their invariants in every state', () => {
    assert.deepEqual(
      results.configurations.flatMap(({ name, problem }) => (problem === undefined ? [] : [name, problem])),
      [],
      told.join('\n'),
    );
    assert.ok(results.configurations.every(({ found }) => (found?.states ?? 0) > 1000));
  });

  it('break without the incarnation and without the freshness clock', () => {
    assert.deepEqual(
      results.mutations.map(({ name, found, problem }) => [name, found?.error?.invariant, problem]),
      [
        ['NO_INCARNATION', 'I2', undefined],
        ['NO_FRESHNESS', 'I1', undefined],
      ],
      told.join('\n'),
    );
  });
});
