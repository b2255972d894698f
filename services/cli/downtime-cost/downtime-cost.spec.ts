import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { runCli } from '../run-cli.ts';
import { testContext } from '../test-context.ts';

interface Json {
  readonly ok: boolean;
  readonly figures: { name: string; value: number; goal: string; ok: boolean }[];
  readonly items: { architecture: { name: string }; causes: { cause: string; seconds: object }[] }[];
}

const noDrills = JSON.stringify({ date: '2026-11-27', commit: 'abc1234', rows: [] });

describe('sallyport downtime-cost', () => {
  let cwd: string;
  before(() => {
    cwd = mkdtempSync(join(tmpdir(), 'sp-cost-'));
    writeFileSync(join(cwd, 'drills.json'), noDrills);
  });
  after(() => rmSync(cwd, { recursive: true, force: true }));

  const run = async (...args: string[]) => {
    const { context, written } = testContext({ cwd });
    const drills = args.includes('--example') ? [] : ['--drills', 'drills.json'];
    const code = await runCli(['downtime-cost', ...drills, ...args], context);
    return { code, ...written };
  };
  const json = async (...args: string[]): Promise<Json> => {
    const { code, out } = await run('--json', ...args);
    assert.equal(code, 0);
    return JSON.parse(out) as Json;
  };

  it("gives the textbook's example as figures with their goals", async () => {
    const { ok, figures } = await json('--example');
    assert.equal(ok, true);
    assert.deepEqual(
      figures.map(({ value, goal }) => [value, goal]),
      [
        [20, '20'],
        [1000, '1000'],
        [2000, '2000'],
      ],
    );
  });

  it('counts with what it is given in place of the assumptions', async () => {
    writeFileSync(
      join(cwd, 'ours.yaml'),
      'workforce: { population: 900, resets_per_day: 16 }\nmobile: { users_at_once: 9 }\n',
    );
    const { figures } = await json('--file', 'ours.yaml', '--hires', '0', '--rate', '50', '--outage', '3');
    // 16 / 8 people × $50 × 0.5 × 3 hours.
    assert.equal(figures.find(({ name }) => name === 'cost of the outage')?.value, 150);
  });

  it('takes durations from the drills, and says from which run', async () => {
    const row = { failure: 'SIGKILL a security pod', stalls: { relay: 700, login: 900, write: 100 } };
    const rows = [
      { ...row, seed: 1 },
      { ...row, seed: 2, stalls: { ...row.stalls, relay: 1500 } },
    ];
    writeFileSync(join(cwd, 'drills.json'), JSON.stringify({ date: '2026-11-27', commit: 'abc1234', rows }));
    const { items } = await json();
    const ofSecond = items.find(({ architecture }) => architecture.name === 'second-site');
    assert.ok(
      JSON.stringify(ofSecond).includes('"assumed"') && !JSON.stringify(ofSecond).includes('"measured"'),
    );
    const persistent = items.find(({ architecture }) => architecture.name === 'persistent');
    assert.deepEqual(persistent?.causes.find(({ cause }) => cause === 'process')?.seconds, {
      value: 1.5,
      source:
        'drill "SIGKILL a security pod" of 2026-11-27, commit abc1234, longest relay stall of 2 seeds (seed 2)',
      kind: 'measured',
    });
    writeFileSync(join(cwd, 'drills.json'), noDrills);
  });

  it('counts phones as a share of the population, unless it is told how many', async () => {
    const cost = async (...args: string[]): Promise<number> => {
      const { figures } = await json(...args);
      return figures.find(({ name }) => name === 'single: cost')?.value ?? 0;
    };
    const [none, small, large] = [
      await cost('--population', '1', '--resets', '0', '--hires', '0'),
      await cost('--population', '1000', '--resets', '0', '--hires', '0'),
      await cost('--population', '2000', '--resets', '0', '--hires', '0'),
    ];
    assert.ok(large > small && small > none);
    // Running costs aside, twice the people lose twice as much; one person's is a thousandth.
    const running = (1000 * none - small) / 999;
    assert.ok(Math.abs(large - running - 2 * (small - running)) < 1e-3);
    writeFileSync(join(cwd, 'ten.yaml'), 'mobile: { users_at_once: 25 }\n');
    const told = await cost('--file', 'ten.yaml', '--population', '2000', '--resets', '0', '--hires', '0');
    assert.ok(Math.abs(told - small) < 1e-6);
  });

  it('has four architectures, whose rows in CSV add up', async () => {
    const { out } = await run('--format', 'csv');
    const lines = out.trim().split('\r\n').slice(1);
    const seconds = (line: string): number => Number(line.split(',').at(-2));
    for (const name of ['single', 'redundant', 'persistent', 'second-site']) {
      const own = lines.filter((line) => line.startsWith(`${name},`));
      const all = own.find((line) => line.startsWith(`${name},all,`));
      const causes = own.filter((line) => !/,(?:all|running),/.test(line));
      assert.equal(causes.length, 7);
      assert.ok(all);
      const sum = causes.reduce((total, line) => total + seconds(line), 0);
      assert.ok(Math.abs(sum - seconds(all)) < 1e-6);
    }
  });

  it('writes a page that prints: charts with their values, nothing loaded from elsewhere', async () => {
    const { code } = await run('--format', 'html', '--out', 'report.html');
    assert.equal(code, 0);
    const page = readFileSync(join(cwd, 'report.html'), 'utf8');
    assert.equal(page.match(/<svg /g)?.length, 5);
    assert.match(page, /aria-label="single \$[\d,]+, redundant/);
    assert.doesNotMatch(page, /<script|<link|src=|NaN|undefined/);
  });

  for (const [what, args, says] of [
    ['more resets than people', ['--resets', '30000'], /30000 resets a day are more than there are people/],
    ['no working hours', ['--working-hours', '0'], /must be more than 0/],
    ['a share above 1', ['--share', '1.2'], /from 0 to 1/],
    ['a negative rate', ['--rate', '-5'], /dollars_per_person_hour/],
    ['a negative outage', ['--outage', '-1'], /--outage is -1/],
    ['an outage of years', ['--outage', '99999'], /--outage is 99999/],
    ['more affected than there are', ['--people', '20001'], /--people is 20001/],
    ['no number', ['--resets', 'many'], /must be a number/],
    [
      'a population of nobody',
      ['--population', '0'],
      /130 resets a day are more than there are people \(0\)/,
    ],
    ['an unknown field', ['--file', 'unknown.yaml'], /colour/],
    ['an architecture without durations', ['--file', 'more.yaml'], /there is none for cloud/],
    ['a list instead of fields', ['--file', 'list.yaml'], /does not hold the fields/],
    ['drills that are not there', ['--drills', 'nowhere.json'], /nowhere.json is not there/],
    [
      'the example with other numbers',
      ['--example', '--working-hours', '7'],
      /leave out --example, or --working-hours/,
    ],
    ['a file that is no table of drills', ['--drills', 'list.yaml'], /is not a table of drills/],
  ] as const) {
    it(`refuses ${what}, and says why`, async () => {
      writeFileSync(join(cwd, 'unknown.yaml'), 'colour: red\n');
      writeFileSync(
        join(cwd, 'more.yaml'),
        'architectures: { cloud: { about: x, set_up: 0, machines: 1, people_hours_per_year: 0 } }\n',
      );
      writeFileSync(join(cwd, 'list.yaml'), '[1]\n');
      const { code, err, out } = await run(...args);
      assert.notEqual(code, 0);
      assert.equal(out, '');
      assert.match(err, says);
      assert.match(err, /\nhint: \S/);
    });
  }
});
