import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { type Comparison, compare, dollarsPerHour, type Sourced, secondsPerYear } from './compare.ts';
import { outageCost, peopleAffected, type Workforce } from './outage.ts';

const textbook: Workforce = {
  ...{ population: 20_000, resetsPerDay: 130, hiresPerDay: 30, workingHoursPerDay: 8 },
  ...{ dollarsPerHour: 100, shareLost: 0.5 },
};
const assumed = (value: number): Sourced => ({ value, source: 'for the spec', kind: 'assumed' });
const comparison = (change: Partial<Comparison> = {}): Comparison => ({
  workforce: textbook,
  mobile: { usersAtOnce: 0, shareLost: 0 },
  loginSeconds: 36,
  causes: [
    {
      name: 'process',
      perYear: assumed(10),
      duringWork: 1,
      seconds: { one: assumed(3600), two: assumed(36) },
      loginAgain: new Set(),
    },
  ],
  architectures: [
    { name: 'one', about: '', setUp: 0, machinesPerYear: 1000, peoplePerYear: 0 },
    { name: 'two', about: '', setUp: 4950, machinesPerYear: 5950, peoplePerYear: 0 },
  ],
  ...change,
});
const second = (given: Comparison) => {
  const result = compare(given)[1];
  assert.ok(result?.against);
  return { ...result, against: result.against };
};

describe('the cost of an outage', () => {
  it("is the textbook's to the dollar", () => {
    const cost = outageCost(textbook, 2);
    assert.equal(cost.people, 20);
    assert.equal(cost.dollarsPerHour, 1000);
    assert.equal(cost.dollars, 2000);
    assert.deepEqual(cost.working, [
      '(130 resets + 30 hires) a day / 8 hours = 20 people affected',
      '$100 an hour × 0.5 × 20 people = $1,000 an hour',
      '2 hours × $1,000 = $2,000',
    ]);
  });

  it('follows the rates, and never counts more people than there are', () => {
    assert.equal(peopleAffected({ ...textbook, workingHoursPerDay: 4 }), 40);
    assert.equal(peopleAffected({ ...textbook, population: 10, resetsPerDay: 1000 }), 10);
    assert.equal(outageCost({ ...textbook, people: 7 }, 1).dollarsPerHour, 350);
  });

  it('is nothing when nobody, nothing or no time is lost', () => {
    for (const nothing of [{ people: 0 }, { shareLost: 0 }, { dollarsPerHour: 0 }]) {
      assert.equal(outageCost({ ...textbook, ...nothing }, 5).dollars, 0);
    }
    assert.equal(outageCost(textbook, 0).dollars, 0);
  });

  it('grows in proportion with people, share, rate and length', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.integer({ min: 2, max: 9 }), (people, times) => {
        const once = outageCost({ ...textbook, people }, 3).dollars;
        assert.equal(outageCost({ ...textbook, people: people * times }, 3).dollars, once * times);
        assert.equal(outageCost({ ...textbook, people }, 3 * times).dollars, once * times);
      }),
    );
  });
});

describe('architectures compared', () => {
  it('have availability and cost from how often and how long', () => {
    const [one] = compare(comparison());
    assert.equal(one?.secondsPerYear, 36_000);
    assert.equal(one?.availability, 1 - 36_000 / secondsPerYear);
    // Ten hours at $1,000.
    assert.equal(one?.outagePerYear, 10_000);
    assert.equal(one?.totalPerYear, 11_000);
    assert.equal(one?.against, undefined);
  });

  it('pay back by what they save more than they cost', () => {
    const { against } = second(comparison());
    // Ten hours become six minutes; 4,950 more a year and once.
    assert.equal(against.saved, 9900);
    assert.equal(against.extraPerYear, 4950);
    assert.equal(against.paybackYears, 1);
    assert.equal(against.returnOnInvestment, 0);
    assert.equal(against.breakEvenPerHour, 1000);
  });

  it('never pay back when an hour costs less than break-even says', () => {
    const { against } = second(comparison({ workforce: { ...textbook, dollarsPerHour: 40 } }));
    assert.equal(against.paybackYears, undefined);
    assert.ok(against.returnOnInvestment !== undefined && against.returnOnInvestment < 0);
    assert.equal(Math.round(against.breakEvenPerHour ?? 0), 1000);
  });

  it('have no break-even where an hour is worth nothing, and no return where nothing is spent', () => {
    const free = comparison({ workforce: { ...textbook, people: 0 } });
    assert.equal(dollarsPerHour(free), 0);
    assert.equal(second(free).against.breakEvenPerHour, undefined);
    const same = comparison({
      architectures: comparison().architectures.map((each) => ({ ...each, setUp: 0, machinesPerYear: 1 })),
    });
    assert.equal(second(same).against.returnOnInvestment, undefined);
    assert.equal(second(same).against.paybackYears, 0);
  });

  it('count the logins after a failover, and only those in working hours', () => {
    const [cause] = comparison().causes;
    assert.ok(cause);
    const again = comparison({
      mobile: { usersAtOnce: 100, shareLost: 0 },
      causes: [{ ...cause, duringWork: 0.5, loginAgain: new Set(['two']) }],
    });
    // Ten times, half of them at work: 36 s at $1,000 an hour, and 100 people × 36 s × $100.
    assert.equal(second(again).outagePerYear, 5 * (10 + 100));
  });

  it('are not available at all when down for longer than a year', () => {
    const [cause] = comparison().causes;
    assert.ok(cause);
    const worst = comparison({ causes: [{ ...cause, perYear: assumed(1e6) }] });
    assert.equal(compare(worst)[0]?.availability, 0);
  });
});
