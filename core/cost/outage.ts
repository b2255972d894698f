/**
 * What an outage costs by the productivity that is lost while it lasts. The model is the textbook's: of the
 * people who need the service in an hour, each loses a share of what an hour of theirs is worth.
 */

export interface Workforce {
  /** People who may need the service at all. */
  readonly population: number;
  /** Password resets a day. */
  readonly resetsPerDay: number;
  /** New hires a day, each of whom needs accounts. */
  readonly hiresPerDay: number;
  /** Hours in which a day's resets and hires fall; more than 0, at most 24. */
  readonly workingHoursPerDay: number;
  /** Worth of one person's hour. */
  readonly dollarsPerHour: number;
  /** What of it somebody loses who cannot go on, 0 to 1. */
  readonly shareLost: number;
  /** People affected at any time of the outage; by default what the rates say. */
  readonly people?: number | undefined;
}

export interface OutageCost {
  readonly people: number;
  readonly dollarsPerHour: number;
  readonly hours: number;
  readonly dollars: number;
  /** How it was worked out, a line each. */
  readonly working: readonly string[];
}

/** People who need a reset or an account in one working hour; never more than there are. */
export function peopleAffected(o: Workforce): number {
  return Math.min((o.resetsPerDay + o.hiresPerDay) / o.workingHoursPerDay, o.population);
}

/** @param hours how long the outage lasts, from 0 */
export function outageCost(o: Workforce, hours: number): OutageCost {
  const people = o.people ?? peopleAffected(o);
  const perHour = o.dollarsPerHour * o.shareLost * people;
  const dollars = perHour * hours;
  const byRates =
    o.people === undefined
      ? `(${plain(o.resetsPerDay)} resets + ${plain(o.hiresPerDay)} hires) a day / ${plain(o.workingHoursPerDay)} hours = ${plain(people)} people affected`
      : `${plain(people)} people affected, as given`;
  return {
    people,
    dollarsPerHour: perHour,
    hours,
    dollars,
    working: [
      byRates,
      `${money(o.dollarsPerHour)} an hour × ${plain(o.shareLost)} × ${plain(people)} people = ${money(perHour)} an hour`,
      `${plain(hours)} ${hours === 1 ? 'hour' : 'hours'} × ${money(perHour)} = ${money(dollars)}`,
    ],
  };
}

/** At most two places behind the point, with commas between thousands. */
export function plain(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 2 });
}

/** Dollars; cents only where there are some. */
export function money(value: number): string {
  const cents = Number.isInteger(Math.round(value * 100) / 100) ? 0 : 2;
  return value.toLocaleString('en-US', {
    ...{ style: 'currency', currency: 'USD', minimumFractionDigits: cents, maximumFractionDigits: cents },
  });
}
