import type { Failure, StallGoals, Victim } from './drill.ts';
import { type Kind, type LoadReport, requestKinds } from './load/messages.ts';
import { isReached, type RowFigure } from './row-figure.ts';

/** Which kinds of the load are held up when people say that relay, login or writes stall. */
export const stallGroups: Readonly<Record<keyof StallGoals, readonly Kind[]>> = {
  relay: requestKinds,
  login: ['login'],
  write: ['enrol', 'activate', 'revoke'],
};

/** Milliseconds of the longest stall, by group. */
export type Stalls = Readonly<Record<keyof StallGoals, number>>;

/** One line of the table: a failure with one seed. */
export interface Row {
  readonly drill: string;
  readonly failure: string;
  readonly seed: number;
  readonly victims: readonly Victim[];
  /** Seconds of load, and requests begun in them. */
  readonly seconds: number;
  readonly requests: number;
  /** Of all kinds, logins and writes included. */
  readonly failed: number;
  /** Unrepeatable requests that ended as UNKNOWN_OUTCOME, and how many were in flight while it was broken. */
  readonly unknown: number;
  readonly inFlight: number;
  /** Ended with UNAVAILABLE and RetryInfo, where the drill says that this is right. */
  readonly refused: number;
  readonly lost: number;
  readonly wrong: number;
  readonly stalls: Stalls;
  readonly goals: StallGoals;
  /** What stalled longest, by group. */
  readonly longest: Readonly<Record<keyof StallGoals, string>>;
  /** The longest in the calm seconds before: what the machine does by itself. */
  readonly calm: Stalls;
  /** Nothing failed, nothing was lost or wrong, the mesh is whole again. */
  readonly held: boolean;
  /** What the drill measured beside. */
  readonly figures: readonly RowFigure[];
  /** Held, and within the goals for stalls and figures. */
  readonly ok: boolean;
  /** What went wrong, and what steps had to say. */
  readonly problems: readonly string[];
  readonly notes: readonly string[];
  readonly load: {
    readonly cpu: number;
    readonly lagMs: number;
    readonly skipped: number;
    /** Of the machine, where it tells: per cent of the time in which something waited for a CPU. */
    readonly waitedPercent?: number | undefined;
  };
}

/** Judges what the load tells. `errors` is what went wrong with the drill itself. */
export function rowOf(
  about: {
    drill: string;
    failure: Failure;
    seed: number;
    victims: readonly Victim[];
    notes: string[];
    figures: readonly RowFigure[];
    waitedPercent: number | undefined;
  },
  report: LoadReport,
  errors: readonly string[],
): Row {
  const { kinds } = report;
  const { goals, name } = about.failure;
  const sum = (of: readonly Kind[], what: 'begun' | 'failed' | 'unknown' | 'refused'): number =>
    of.reduce((total, kind) => total + kinds[kind][what], 0);
  const all = Object.keys(kinds) as Kind[];
  const stallOf = (group: keyof StallGoals, when: 'calm' | 'stall') =>
    stallGroups[group]
      .map((kind) => kinds[kind][when])
      .reduce((worst, each) => (each.ms > worst.ms ? each : worst));
  const each = <T>(of: (group: keyof StallGoals) => T): Readonly<Record<keyof StallGoals, T>> => ({
    relay: of('relay'),
    login: of('login'),
    write: of('write'),
  });
  const stalls = each((group) => stallOf(group, 'stall').ms);
  const failed = sum(all, 'failed');
  const unknown = sum(['once'], 'unknown');
  const { lost, wrong } = report;
  const inFlight = about.failure.unnoticed ? 0 : report.inFlight;
  const tooUnknown =
    unknown > inFlight
      ? [
          `${unknown} requests ended as UNKNOWN_OUTCOME, of ${inFlight} that may have: those in flight, where it may be noticed`,
        ]
      : [];
  const problems = [...errors, ...report.failures, ...lost, ...wrong, ...tooUnknown];
  const held = errors.length + failed + lost.length + wrong.length + tooUnknown.length + report.skipped === 0;
  const late = (Object.keys(stalls) as (keyof StallGoals)[]).filter(
    (group) => stalls[group] > (goals[group] ?? Number.POSITIVE_INFINITY),
  );
  return {
    drill: about.drill,
    failure: name,
    seed: about.seed,
    victims: about.victims,
    seconds: report.seconds,
    requests: sum(requestKinds, 'begun'),
    failed,
    unknown,
    inFlight,
    refused: sum(all, 'refused'),
    lost: lost.length,
    wrong: wrong.length,
    stalls,
    goals,
    longest: each((group) => stallOf(group, 'stall').what),
    calm: each((group) => stallOf(group, 'calm').ms),
    held,
    figures: about.figures,
    ok: held && late.length === 0 && about.figures.every(isReached),
    problems,
    notes: about.notes,
    load: {
      ...{ cpu: report.cpu, lagMs: report.lagMs, skipped: report.skipped },
      waitedPercent: about.waitedPercent,
    },
  };
}

/** The row of a drill without a load. */
export function rowAlone(
  { failure, ...about }: Pick<Row, 'drill' | 'seed' | 'seconds' | 'figures' | 'notes'> & { failure: Failure },
  errors: readonly string[],
): Row {
  const none = { relay: 0, login: 0, write: 0 };
  return {
    ...about,
    ...{ failure: failure.name, goals: failure.goals, victims: [], requests: 0, failed: 0, unknown: 0 },
    ...{ inFlight: 0, refused: 0, lost: 0, wrong: 0, stalls: none, calm: none },
    longest: { relay: '', login: '', write: '' },
    held: errors.length === 0,
    ok: errors.length === 0 && about.figures.every(isReached),
    problems: errors,
    load: { cpu: 0, lagMs: 0, skipped: 0 },
  };
}
