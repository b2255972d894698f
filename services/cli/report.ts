import type { CliContext } from './context.ts';
import type { Failure } from './failure.ts';

/** Something that was measured. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it is to be, in words; empty if there is no goal. */
  readonly goal: string;
  readonly ok: boolean;
}

/** What a command came to. With --json it is the last line of standard output, together with `name`. */
export interface Outcome {
  readonly ok: boolean;
  readonly figures?: readonly Figure[];
  /** More of it, for programs. */
  readonly items?: Readonly<Record<string, unknown>>;
}

/** How a command talks: to people in lines, to programs in one JSON object at the end. */
export interface Report {
  readonly json: boolean;
  /** For people; goes to standard error when standard output belongs to a program. */
  readonly say: (line: string) => void;
  /** Something that happens, with the seconds since the command was started. */
  readonly progress: (line: string) => void;
  readonly outcome: (outcome: Outcome) => void;
  readonly failure: (failure: Failure) => void;
}

export function createReport(name: string, json: boolean, context: CliContext): Report {
  const { out, err, clock } = context;
  const say = (line: string): void => (json ? err : out)(`${line}\n`);
  const print = (object: object): void => out(`${JSON.stringify(object)}\n`);
  return {
    json,
    say,
    // performance.now() and so the clock begins with the process: what a person has waited.
    progress: (line) => say(`${(clock.monotonic() / 1000).toFixed(1).padStart(6)} s  ${line}`),
    outcome: ({ ok, figures = [], items = {} }) => {
      if (json) return print({ name, ok, figures, ...items });
      for (const figure of figures) say(figureLine(figure));
    },
    failure: ({ code, message, hint }) => {
      err(`error ${code}: ${message}\nhint: ${hint}\n`);
      if (json) print({ name, ok: false, figures: [], error: { code, message, hint } });
    },
  };
}

function figureLine({ name, value, unit, goal, ok }: Figure): string {
  const mark = goal === '' ? ' ' : ok ? '✓' : '✗';
  const aim = goal === '' ? '' : `  (goal ${goal})`;
  return `${mark} ${name.padEnd(26)} ${value} ${unit}${aim}`;
}
