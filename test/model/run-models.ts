import type { PartsOptions } from '#compose/parts/options.ts';
import type { Figure } from '#services/cli/report.ts';
import { findCCompiler } from '../tools/c-compiler.ts';
import { findSpin } from '../tools/spin.ts';
import { type Configuration, type Mutation, titleOf } from './models.ts';
import { type Verified, type VerifyOptions, verify } from './verify.ts';

export interface Searched {
  readonly name: string;
  /** Absent when it could not be searched. */
  readonly found?: Verified;
  /** Why it is not as it should be. */
  readonly problem?: string;
}

export interface RunOptions {
  readonly configurations: readonly Configuration[];
  readonly mutations: readonly Mutation[];
  readonly timeoutMs: number;
  readonly memoryMb: number;
  readonly parts: PartsOptions;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

export interface Results {
  readonly configurations: readonly Searched[];
  readonly mutations: readonly Searched[];
}

/** Searches all configurations to the end, and each mutation until its error. @throws PartsError */
export async function runModels(o: RunOptions): Promise<Results> {
  const [spin, compiler] = [await findSpin(o.parts), await findCCompiler(o.parts)];
  o.progress(`spin ${spin.version}, ${[compiler.file, ...compiler.args].join(' ')}`);
  const searched = async (
    name: string,
    configuration: Configuration,
    search: 'whole' | 'shortest',
    judge: (found: Verified) => string | undefined,
  ): Promise<Searched> => {
    const onStates = (states: number): void => o.progress(`  ${name}: ${states / 1e6} million states`);
    const options: VerifyOptions = { ...o, spin, compiler, onStates };
    try {
      const found = await verify(configuration, search, options);
      const problem = judge(found);
      return { name, found, ...(problem !== undefined && { problem }) };
    } catch (error) {
      if (o.signal.aborted) throw error;
      return { name, problem: error instanceof Error ? error.message : String(error) };
    }
  };
  const tell = ({ name, found, problem }: Searched): void => {
    const size = found && `${found.states} states, ${found.seconds.toFixed(1)} s, ${found.memoryMb} MB`;
    const error = found?.error && `${found.error.text} after ${found.steps.length} steps`;
    const said = [size, error, problem].filter((each) => each !== undefined);
    o.progress(`${problem === undefined ? '✓' : '✗'} ${name}: ${said.join('; ')}`);
  };
  const configurations: Searched[] = [];
  for (const configuration of o.configurations) {
    const result = await searched(titleOf(configuration), configuration, 'whole', incorrect);
    tell(result);
    for (const step of result.found?.steps ?? []) o.progress(`    ${step}`);
    configurations.push(result);
  }
  const mutations: Searched[] = [];
  for (const mutation of o.mutations) {
    const { name, model, switches } = mutation;
    const mutated = { model, switches: [...switches, name] };
    const result = await searched(name, mutated, 'shortest', (found) => notFound(mutation, found));
    tell(result);
    mutations.push(result);
  }
  return { configurations, mutations };
}

/** What speaks against a model that should be right. */
function incorrect({ error, complete, cut, neverTaken }: Verified): string | undefined {
  if (error !== undefined) return error.text;
  if (!complete) return `not searched to the end: ${cut ?? 'the verifier does not say why'}`;
  // A model in which hardly anything can happen keeps every invariant.
  return neverTaken.length === 0 ? undefined : `steps that are never taken: ${neverTaken.join(', ')}`;
}

function notFound({ breaks }: Mutation, { error, cut }: Verified): string | undefined {
  if (error === undefined)
    return `breaks nothing${cut === undefined ? '' : `, as far as was searched: ${cut}`}`;
  return error.invariant === breaks ? undefined : `breaks ${error.text}, not ${breaks}`;
}

/** As the project's tools give figures. */
export function figuresOf({ configurations, mutations }: Results): Figure[] {
  const found = mutations.filter(({ problem }) => problem === undefined).length;
  return [
    ...configurations.flatMap(({ name, found: verified, problem }): Figure[] => {
      const errors = problem === undefined ? 0 : 1;
      const info = (what: string, value: number, unit: string): Figure => ({
        ...{ name: `${name}: ${what}`, value, unit, goal: '', ok: true },
      });
      return [
        { name: `${name}: errors`, value: errors, unit: '', goal: '0', ok: errors === 0 },
        ...(verified === undefined
          ? []
          : [
              info('states', verified.states, ''),
              info('time', Number(verified.seconds.toFixed(1)), 's'),
              info('memory', Math.round(verified.memoryMb), 'MB'),
            ]),
      ];
    }),
    ...(mutations.length === 0
      ? []
      : [
          {
            ...{ name: 'mutations found', value: found, unit: '' },
            ...{ goal: String(mutations.length), ok: found === mutations.length },
          },
        ]),
  ];
}
