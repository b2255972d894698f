import { parseArgs } from 'node:util';
import { parsed, UsageError, wholeNumber } from '../options.ts';
import { type Configuration, configurations, type Mutation, mutations, titleOf } from './models.ts';

export interface ModelOptions {
  readonly configurations: readonly Configuration[];
  readonly mutations: readonly Mutation[];
  readonly timeoutMs: number;
  readonly memoryMb: number;
  readonly trace: boolean;
  readonly list: boolean;
  readonly json: boolean;
}

export const usage = `npm run model [-- NAMES] [--short] [--trace] [--list] [--timeout S] [--memory MB] [--json]

Searches every state of the models of docs/model/ with spin, then takes out one after the other what the
invariants rest on, which must break them. Spin and a C compiler are found, or fetched into the cache.
NAMES are words: only configurations and mutations whose names contain one of them.
  --short        what \`npm test\` runs: less than a minute
  --trace        tells for each mutation, step by step, how it breaks its invariant
  --list         names configurations and mutations, and searches nothing
  --timeout S    seconds for one search, 1 to 86400 (default 1800)
  --memory MB    for one search, 100 to 1000000 (default 6000)
  --json         the last line is {"name","ok","figures","searches"}
Examples:
  npm run model -- ownership
  npm run model -- NO_FRESHNESS --trace
  npm run model -- --short --json`;

/** Undefined: help is wanted. @throws UsageError */
export function modelOptions(argv: readonly string[]): ModelOptions | undefined {
  const { values, positionals } = parsed(() => parse(argv));
  if (values.help) return undefined;
  const { short, trace, list, json } = values;
  const wanted = (name: string, of: { readonly short?: true }): boolean =>
    (!short || of.short === true) &&
    (positionals.length === 0 || positionals.some((word) => name.toLowerCase().includes(word.toLowerCase())));
  const selected = {
    configurations: configurations.filter((each) => wanted(titleOf(each), each)),
    mutations: mutations.filter((each) => wanted(each.name, each)),
  };
  if (selected.configurations.length + selected.mutations.length === 0) {
    throw new UsageError(`there is no configuration and no mutation named like ${positionals.join(', ')}`);
  }
  const timeoutMs = 1000 * wholeNumber('--timeout', values.timeout, 1, 86_400);
  const memoryMb = wholeNumber('--memory', values.memory, 100, 1_000_000);
  return { ...selected, timeoutMs, memoryMb, trace, list, json };
}

function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      short: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      timeout: { type: 'string', default: '1800' },
      memory: { type: 'string', default: '6000' },
    },
  });
}
