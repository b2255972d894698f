import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { configurations, invariants, type ModelName, mutations } from './models.ts';
import { modelOptions } from './options.ts';

const root = join(import.meta.dirname, '..', '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const page = read('docs/model/README.md');
const models: readonly ModelName[] = ['ownership', 'revocation'];
const source = (model: ModelName): string => read(`docs/model/${model}.pml`);

/** What lies between a heading of the page and the next. */
const section = (heading: string): string =>
  page.split(`\n${heading}\n`)[1]?.split(/\n#+ /)[0] ?? assert.fail(`no ${heading}`);
const rowsOf = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.slice(1, -1).split('|'));
const codeIn = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
/** Names that the preprocessor asks for, or that have a default value. */
const switchesOf = (text: string): Set<string> =>
  new Set([...text.matchAll(/^#(?:ifn?def) (\w+)/gm)].map((match) => match[1] ?? ''));

describe('models', () => {
  for (const model of models) {
    it(`${model}: every switch is a mutation or belongs to a configuration`, () => {
      const named = (switches: readonly string[]): string[] =>
        switches.map((each) => each.split('=')[0] ?? '');
      const ours = mutations.filter((each) => each.model === model);
      const used = new Set([
        ...ours.map(({ name }) => name),
        ...[...ours, ...configurations.filter((each) => each.model === model)].flatMap(({ switches }) =>
          named(switches),
        ),
      ]);
      // How much of everything there is.
      const sizes = ['STARTS', 'ATTACHES', 'PODS', 'PROXIES', 'FRESH', 'LEASE'];
      const inSource = switchesOf(source(model));
      assert.deepEqual(
        [...used].filter((each) => !inSource.has(each)),
        [],
      );
      assert.deepEqual(
        [...inSource].filter((each) => !used.has(each) && !sizes.includes(each)),
        [],
      );
    });

    it(`${model}: the page says of every step where it is in the code`, () => {
      const steps = [...source(model).matchAll(/printf\("([^"]*)\\n"/g)].map((match) =>
        (match[1] ?? '').replaceAll('%d', '…'),
      );
      const rows = rowsOf(section(`### ${model}`));
      const told = rows.flatMap(([step]) => codeIn(step));
      assert.deepEqual([...new Set(told)].sort(), [...new Set(steps)].sort());
      for (const [, code] of rows) {
        let file = '';
        for (const name of codeIn(code)) {
          if (name.includes('/')) file = name;
          else if (file !== '')
            assert.match(read(file), new RegExp(`(?<![\\w.])${name}\\b`), `${file}: ${name}`);
          else
            assert.ok(
              mutations.some((each) => each.name === name),
              name,
            );
        }
      }
    });

    it(`${model}: every assertion is about one invariant`, () => {
      const asserted = [...source(model).matchAll(/\bassert\((.+)\)/g)].map((match) => match[1] ?? '');
      assert.ok(asserted.length >= 2);
      for (const text of asserted) {
        assert.equal(invariants.filter(([, pattern]) => pattern.test(text)).length, 1, text);
      }
    });
  }

  it('have a page that lists each mutation with what it breaks', () => {
    assert.deepEqual(
      rowsOf(section('## Mutations')).map(([name, breaks]) => [codeIn(name)[0], breaks?.trim()]),
      mutations.map(({ name, breaks }) => [name, breaks]),
    );
  });

  it('are chosen by words, and not by ones that name nothing', () => {
    const chosen = modelOptions(['no_fresh', '--timeout', '5']);
    assert.deepEqual(
      [chosen?.configurations, chosen?.mutations.map(({ name }) => name)],
      [[], ['NO_FRESHNESS']],
    );
    assert.equal(chosen?.timeoutMs, 5000);
    for (const wrong of [['nothing'], ['--timeout', '0'], ['--memory', 'all'], ['--fast']]) {
      assert.throws(() => modelOptions(wrong), /no configuration|number from|Unknown option/);
    }
  });
});
