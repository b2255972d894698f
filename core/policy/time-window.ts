const minute = 60_000;
const day = 24 * 60 * minute;

/** Days of the week by number, as Date.getUTCDay counts them. */
export const weekDays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
export type WeekDay = (typeof weekDays)[number];

/** 0 (Sunday) to 6; -1 when `name` is no day. */
export function dayNumber(name: string): number {
  return (weekDays as readonly string[]).indexOf(name);
}

/** From one minute of a day to another (24:00 is its end), on some days, by the clocks of a zone. */
export interface TimeWindow {
  readonly days: readonly WeekDay[];
  /** `HH:MM`. */
  readonly from: string;
  /** `HH:MM`, exclusive. Not later than `from`: on the next day, and the window is of the day it began. */
  readonly to: string;
  /** IANA name, for example `Europe/Zurich`. */
  readonly tz: string;
}

/** Whether one of the windows is open, from `since` (inclusive) until `until` (exclusive), in Unix ms. */
export interface TimeState {
  readonly inside: boolean;
  readonly since: number;
  readonly until: number;
}

export type TimeCondition = (now: number) => TimeState;

export function isTimeZone(tz: string): boolean {
  try {
    formatOf(tz);
    return true;
  } catch (thrown) {
    if (thrown instanceof RangeError) return false;
    throw thrown;
  }
}

/** Milliseconds into the day of `HH:MM`, 00:00–24:00; undefined for anything else. */
export function parseTimeOfDay(text: string): number | undefined {
  const match = /^(\d{2}):([0-5]\d)$/.exec(text);
  if (!match) return undefined;
  const value = Number(match[1]) * 60 * minute + Number(match[2]) * minute;
  return value <= day ? value : undefined;
}

/**
 * The windows together as one condition. It remembers its last answer, which holds until the next edge:
 * reading a clock of some zone costs microseconds, a decision has less.
 */
export function compileTimes(windows: readonly TimeWindow[]): TimeCondition {
  const compiled = windows.map(compileWindow);
  let last: TimeState = { inside: false, since: Infinity, until: -Infinity };
  return (now) => {
    if (now >= last.since && now < last.until) return last;
    // Edges lie on whole milliseconds.
    const at = Math.floor(now);
    let inside = false;
    let until = Infinity;
    for (const window of compiled) {
      inside ||= window.isOpen(at);
      until = Math.min(until, window.edgeAfter(at));
    }
    last = Object.freeze({ inside, since: at, until });
    return last;
  };
}

function compileWindow({ days, from, to, tz }: TimeWindow) {
  const onDay = weekDays.map((name) => days.includes(name));
  const start = parseTimeOfDay(from) ?? 0;
  const end = parseTimeOfDay(to) ?? day;
  const offsetAt = zoneOffset(tz);

  const isOpen = (now: number): boolean => {
    const local = now + offsetAt(now);
    const time = modulo(local, day);
    // 1 January 1970 was a Thursday, day 4.
    const today = modulo(Math.floor(local / day) + 4, 7);
    if (start < end) return onDay[today] === true && time >= start && time < end;
    return time >= start ? onDay[today] === true : time < end && onDay[modulo(today - 1, 7)] === true;
  };

  /** The earliest moment after `now` at which the window can open or close, at most a day ahead. */
  const edgeAfter = (now: number): number => {
    const offset = offsetAt(now);
    const time = modulo(now + offset, day);
    let next = day;
    if (start > time && start < next) next = start;
    if (end > time && end < next) next = end;
    const edge = now + next - time;
    return offsetAt(edge) === offset ? edge : changeOfOffset(offsetAt, now, edge);
  };
  return { isOpen, edgeAfter };
}

/** When the zone's clocks are moved (daylight saving) between two moments that differ in offset. */
function changeOfOffset(offsetAt: (at: number) => number, before: number, after: number): number {
  const offset = offsetAt(before);
  let low = before;
  let high = after;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle) === offset) low = middle;
    else high = middle;
  }
  return high;
}

/** A format costs 50 µs to make and a policy names few zones thousands of times. */
const formats = new Map<string, Intl.DateTimeFormat>();

/** Throws RangeError when there is no such zone. */
function formatOf(tz: string): Intl.DateTimeFormat {
  const known = formats.get(tz);
  if (known) return known;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: tz,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  // Zones are matched without regard to case, so their spellings are not bounded by themselves.
  if (formats.size < 1000) formats.set(tz, format);
  return format;
}

/** How far, in ms, the clocks of a zone are ahead of UTC at a moment. */
function zoneOffset(tz: string): (at: number) => number {
  if (tz === 'UTC') return () => 0;
  const format = formatOf(tz);
  return (at) => {
    const seconds = Math.floor(at / 1000) * 1000;
    const field: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(seconds)) field[type] = Number(value);
    const { year = 0, month = 1, day: date = 1, hour = 0, minute: min = 0, second = 0 } = field;
    return Date.UTC(year, month - 1, date, hour, min, second) - seconds;
  };
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}
