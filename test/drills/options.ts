import { parseArgs } from 'node:util';
import { parsed, UsageError, wholeNumber } from '../options.ts';
import type { LoadSize } from './stand.ts';

export interface DrillOptions {
  /** Words that names of drills or failures must contain one of; none: all. */
  readonly words: readonly string[];
  readonly seeds: readonly number[];
  readonly short: boolean;
  /** Only failed, lost and wrong decide, not stalls. */
  readonly functional: boolean;
  readonly json: boolean;
  readonly write: boolean;
  readonly list: boolean;
  /** File of rows that are finished. */
  readonly keep: string | undefined;
  readonly size: LoadSize;
}

export const usage = `npm run drills [-- NAMES] [--seeds N] [--seed S] [--short] [--functional] [--keep FILE] [--json] [--write]

Breaks a mesh of its own in one way after the other, under load from real SDK devices; see test/drills/README.md.
NAMES are words: only the drill or failure of that name, else those whose names contain one of them. \`scenarios\` alone runs eight things that
people and tasks do while a node dies (its --help says more).
  --seeds N       how many seeds, from --seed on (default 1)
  --seed S        the first seed (default 1); the same seed chooses the same victims and times
  --devices N     SDK devices with a session each (default 200)
  --rate N        requests of them all in a second (default 200)
  --short         only the failures of the short form, as \`npm test\` runs it
  --functional    stalls do not decide, as on a machine that has other things to do
  --list          names drills and failures, and runs nothing
  --keep FILE     adds each finished row to FILE, and runs no row again that it has of this commit and load:
                  so an interrupted run goes on
  --json          the last line is {"name","ok","figures","rows",…}
  --write         keeps the result in docs/drills/ and the README's table, where failures and seeds that were not run keep theirs
Examples:
  npm run drills -- 'SIGKILL a security pod'
  npm run drills -- kill hang --seeds 5 --write
  npm run drills -- SIGSTOP --seed 7 --json
  npm run drills -- --seeds 5 --keep drills.log --json --write`;

/** Of the table. */
const usual = { devices: '200', rate: '200' };

/** @throws UsageError */
export function drillOptions(argv: readonly string[]): DrillOptions | undefined {
  const { values, positionals } = parsed(() => parse(argv));
  if (values.help) return undefined;
  const first = wholeNumber('--seed', values.seed, 0, 4_294_967_295);
  const seeds = wholeNumber('--seeds', values.seeds, 1, 1000);
  const devices = wholeNumber('--devices', values.devices, 1, 5000);
  if (values.write && (values.devices !== usual.devices || values.rate !== usual.rate))
    throw new UsageError('--write keeps the table of the usual load: it goes without --devices and --rate');
  return {
    words: positionals,
    seeds: Array.from({ length: seeds }, (_, n) => first + n),
    short: values.short,
    functional: values.functional,
    json: values.json,
    write: values.write,
    list: values.list,
    keep: values.keep,
    size: {
      devices,
      perSecond: wholeNumber('--rate', values.rate, 1, 10_000),
      // A fifth of the devices listens to events; a few read large files.
      streams: Math.ceil(devices / 5),
      downloads: Math.min(8, Math.floor(devices / 5)),
      logins: 2,
      enrolments: 0.5,
      revocations: 0.5,
    },
  };
}

function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      seeds: { type: 'string', default: '1' },
      seed: { type: 'string', default: '1' },
      devices: { type: 'string', default: usual.devices },
      rate: { type: 'string', default: usual.rate },
      short: { type: 'boolean', default: false },
      functional: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      keep: { type: 'string' },
      json: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
}
