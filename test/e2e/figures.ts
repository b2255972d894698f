/** One thing that an end-to-end run came to: how many of a suite's checks held. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it is to be; empty: it is only told. */
  readonly goal: string;
  readonly ok: boolean;
  /** Why it was missed. */
  readonly reason?: string;
}

/** What every run of `npm run e2e` is given. */
export interface RunOptions {
  /** Only suites whose names contain it. */
  readonly only: string;
  readonly say: (line: string) => void;
}

/** Runs one check of a suite; what it throws is told, counts as missed, and does not end the suite. */
export type Check = (name: string, body: () => void | Promise<void>) => Promise<void>;

export interface Suite {
  readonly name: string;
  /** How many checks it makes: one that ends early has missed the rest. */
  readonly checks: number;
  readonly run: (check: Check) => Promise<void>;
}

/** Runs a suite to its figure; never rejects. */
export async function runSuite(suite: Suite, say: (line: string) => void): Promise<Figure> {
  const reasons: string[] = [];
  let held = 0;
  let made = 0;
  const missed = (what: string, thrown: unknown): void => {
    reasons.push(`${what}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    say(`  ✗ ${reasons.at(-1)}`);
  };
  try {
    await suite.run(async (name, body) => {
      made += 1;
      try {
        await body();
        held += 1;
        say(`  ✓ ${name}`);
      } catch (error) {
        missed(name, error);
      }
    });
    if (made !== suite.checks) missed(suite.name, `it made ${made} checks, not ${suite.checks}`);
  } catch (error) {
    missed(suite.name, error);
  }
  return {
    name: suite.name,
    value: held,
    unit: 'checks',
    goal: String(suite.checks),
    ok: reasons.length === 0,
    ...(reasons[0] !== undefined && { reason: reasons[0].slice(0, 500) }),
  };
}
