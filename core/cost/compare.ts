import { outageCost, type Workforce } from './outage.ts';

/** Where a number comes from: a run of the drills, something published, or an assumption to be replaced. */
export interface Sourced {
  readonly value: number;
  readonly source: string;
  readonly kind: 'measured' | 'published' | 'assumed';
}

/** Something that takes the service down. */
export interface Cause {
  readonly name: string;
  readonly perYear: Sourced;
  /** Share of these events that fall into working hours, 0 to 1. */
  readonly duringWork: number;
  /** Seconds that nobody is served, by name of the architecture. */
  readonly seconds: Readonly<Record<string, Sourced>>;
  /** Whether people have to log in again after it, by name of the architecture. */
  readonly loginAgain: ReadonlySet<string>;
}

export interface Architecture {
  readonly name: string;
  readonly about: string;
  /** Dollars once, to set it up. */
  readonly setUp: number;
  /** Dollars a year for machines and for the people who look after them. */
  readonly machinesPerYear: number;
  readonly peoplePerYear: number;
}

export interface Comparison {
  readonly workforce: Workforce;
  /** People who work through their phones at any one time, and the share of their hour that is lost. */
  readonly mobile: { readonly usersAtOnce: number; readonly shareLost: number };
  /** Seconds that one login takes a person. */
  readonly loginSeconds: number;
  readonly causes: readonly Cause[];
  /** The first one is what the others are compared with. */
  readonly architectures: readonly Architecture[];
}

export interface CauseResult {
  readonly cause: string;
  readonly secondsPerYear: number;
  readonly dollarsPerYear: number;
  readonly perYear: Sourced;
  readonly seconds: Sourced;
}

export interface ArchitectureResult {
  readonly architecture: Architecture;
  readonly causes: readonly CauseResult[];
  readonly secondsPerYear: number;
  /** 0 to 1, of all hours of a year. */
  readonly availability: number;
  readonly outagePerYear: number;
  readonly runningPerYear: number;
  readonly totalPerYear: number;
  /** Against the first architecture; undefined for that one itself. */
  readonly against: Investment | undefined;
}

/** What more redundancy brings for what it costs more. */
export interface Investment {
  /** Dollars of outage that no longer happen, a year. */
  readonly saved: number;
  /** Dollars more to run, a year, and once. */
  readonly extraPerYear: number;
  readonly extraOnce: number;
  /** (saved − extra) / extra of the first year; undefined when nothing more is spent. */
  readonly returnOnInvestment: number | undefined;
  /** Years until what was spent once has come back; undefined: never. */
  readonly paybackYears: number | undefined;
  /** Worth of an hour of outage from which on it pays in the first year; undefined: no hour is saved. */
  readonly breakEvenPerHour: number | undefined;
}

/** Mean length of a year. */
export const secondsPerYear = 365.25 * 86_400;

/** Availability, yearly cost and return of each architecture. Pure arithmetic on what is given. */
export function compare(given: Comparison): readonly ArchitectureResult[] {
  const results: ArchitectureResult[] = [];
  for (const architecture of given.architectures) {
    const first = results[0];
    const alone = { ...resultOf(given, architecture), against: undefined };
    results.push(first === undefined ? alone : { ...alone, against: investment(given, first, alone) });
  }
  return results;
}

/** Dollars lost in an hour in which nobody is served: who needs an account, and who works by phone. */
export function dollarsPerHour({ workforce, mobile }: Pick<Comparison, 'workforce' | 'mobile'>): number {
  const accounts = outageCost(workforce, 1).dollarsPerHour;
  return accounts + mobile.usersAtOnce * mobile.shareLost * workforce.dollarsPerHour;
}

function resultOf(given: Comparison, architecture: Architecture): Omit<ArchitectureResult, 'against'> {
  const { name } = architecture;
  const perSecond = dollarsPerHour(given) / 3600;
  const oneLogin = (given.mobile.usersAtOnce * given.loginSeconds * given.workforce.dollarsPerHour) / 3600;
  const causes = given.causes.map((cause): CauseResult => {
    const seconds = cause.seconds[name];
    if (seconds === undefined) throw new RangeError(`${cause.name} has no duration for ${name}`);
    const logins = cause.loginAgain.has(name) ? oneLogin : 0;
    const events = cause.perYear.value;
    return {
      ...{ cause: cause.name, perYear: cause.perYear, seconds },
      secondsPerYear: events * seconds.value,
      dollarsPerYear: events * cause.duringWork * (seconds.value * perSecond + logins),
    };
  });
  const down = sum(causes.map((each) => each.secondsPerYear));
  const outagePerYear = sum(causes.map((each) => each.dollarsPerYear));
  const runningPerYear = architecture.machinesPerYear + architecture.peoplePerYear;
  return {
    ...{ architecture, causes, outagePerYear, runningPerYear },
    secondsPerYear: down,
    availability: Math.max(0, 1 - down / secondsPerYear),
    totalPerYear: outagePerYear + runningPerYear,
  };
}

function investment(
  given: Comparison,
  first: ArchitectureResult,
  other: Omit<ArchitectureResult, 'against'>,
): Investment {
  const saved = first.outagePerYear - other.outagePerYear;
  const extraPerYear = other.runningPerYear - first.runningPerYear;
  const extraOnce = other.architecture.setUp - first.architecture.setUp;
  const spent = extraPerYear + extraOnce;
  const kept = saved - extraPerYear;
  const perHour = dollarsPerHour(given);
  // Logins count as hours, too: all that is saved, in hours of the present price.
  const hoursSaved = perHour > 0 ? saved / perHour : 0;
  return {
    ...{ saved, extraPerYear, extraOnce },
    returnOnInvestment: spent > 0 ? (saved - spent) / spent : undefined,
    paybackYears: extraOnce <= 0 ? (kept >= 0 ? 0 : undefined) : kept > 0 ? extraOnce / kept : undefined,
    breakEvenPerHour: hoursSaved > 0 ? Math.max(0, spent) / hoursSaved : undefined,
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
