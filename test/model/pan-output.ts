import { type Invariant, invariants } from './models.ts';

/** What a verifier that spin made (`pan`) says at its end. */
export interface Verdict {
  /** States that were stored, and steps between them. */
  readonly states: number;
  readonly transitions: number;
  /** MB, all told. */
  readonly memoryMb: number;
  /** What was violated. */
  readonly error: Violation | undefined;
  /** Every state that can be reached was looked at. Never so after an error. */
  readonly complete: boolean;
  /** Steps of the model that no execution takes, as `process line`. */
  readonly neverTaken: readonly string[];
  /** Why the search ended early, if it did and not because of an error. */
  readonly cut: string | undefined;
}

export interface Violation {
  /** Undefined: no assertion, such as a state in which nothing can happen any more. */
  readonly invariant: Invariant | undefined;
  /** As the verifier has it, such as `assertion violated (revoke!=4)`. */
  readonly text: string;
}

/** The output is documented in spin's manual page of pan; numbers above 10^8 come as 1.2e+08. @throws Error */
export function readVerdict(output: string): Verdict {
  const number = (pattern: RegExp): number => {
    const found = pattern.exec(output)?.[1];
    if (found === undefined) throw new Error(`the verifier has not come to an end: ${output.slice(-500)}`);
    return Number(found);
  };
  const errors = number(/errors: (\d+)/);
  const text = /^pan:\d+: (.*?)(?: \(at depth \d+\))?$/m.exec(output)?.[1];
  const cut = /^(?:error: max search depth too small|pan: (?:reached -DMEMLIM bound|out of memory).*)$/m.exec(
    output,
  )?.[0];
  if (errors > 0 && text === undefined)
    throw new Error(`the verifier does not say what it found: ${output.slice(0, 500)}`);
  return {
    states: number(/^\s*([\d.e+]+) states, stored/m),
    transitions: number(/^\s*([\d.e+]+) transitions/m),
    memoryMb: number(/^\s*([\d.]+)\s+total actual memory usage/m),
    error: errors === 0 || text === undefined ? undefined : { text, invariant: invariantOf(text) },
    complete: errors === 0 && cut === undefined && !/Search not completed/.test(output),
    neverTaken: neverTaken(output),
    cut,
  };
}

function invariantOf(text: string): Invariant | undefined {
  if (!text.startsWith('assertion violated')) return undefined;
  return invariants.find(([, pattern]) => pattern.test(text))?.[0];
}

/** Lines such as `unreached in proctype pod` with `m.pml:12, state 3, "x = 1"` below; nobody is to get to `-end-`. */
function neverTaken(output: string): string[] {
  const found: string[] = [];
  let where = '';
  for (const line of output.split('\n')) {
    where = /^unreached in (?:proctype )?(.+)$/.exec(line)?.[1] ?? where;
    const [, at, what] = /^\t\S*?:(\d+), state \d+, "(.*)"$/.exec(line) ?? [];
    if (at !== undefined && what !== '-end-') found.push(`${where} ${at}`);
  }
  return found;
}
