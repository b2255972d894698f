import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { compileTimes, dayNumber, isTimeZone, type TimeWindow, weekDays } from './time-window.ts';

const minute = 60_000;
const office: TimeWindow = {
  days: ['mon', 'tue', 'wed', 'thu', 'fri'],
  from: '08:00',
  to: '18:00',
  tz: 'Europe/Zurich',
};

/** Another way to the same answer: let the platform write weekday and time down, and read them. */
function isOpen({ days, from, to, tz }: TimeWindow, at: number): boolean {
  const text = new Intl.DateTimeFormat('en-GB', {
    timeZone: tz,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).format(at);
  const [, name = '', time = ''] = /^(\w+),? (\d\d:\d\d)$/.exec(text) ?? [];
  const today = dayNumber(name.toLowerCase());
  const on = (day: number) => days.some((one) => one === weekDays[(day + 7) % 7]);
  if (from < to) return on(today) && time >= from && time < to;
  return time >= from ? on(today) : time < to && on(today - 1);
}

describe('time windows', () => {
  it('open and close by the clocks of their zone', () => {
    const times = compileTimes([office]);
    // Friday, 4 July 2025: 08:00 in Zurich is 06:00 UTC.
    assert.equal(times(Date.UTC(2025, 6, 4, 5, 59)).inside, false);
    assert.deepEqual(times(Date.UTC(2025, 6, 4, 6, 0)), {
      inside: true,
      since: Date.UTC(2025, 6, 4, 6, 0),
      until: Date.UTC(2025, 6, 4, 16, 0),
    });
    assert.equal(times(Date.UTC(2025, 6, 4, 16, 0)).inside, false);
    assert.equal(times(Date.UTC(2025, 6, 5, 10, 0)).inside, false);
  });

  it('know an edge that daylight saving moves', () => {
    const night: TimeWindow = { days: [...weekDays], from: '01:30', to: '04:00', tz: 'Europe/Zurich' };
    // On 30 March 2025 the clocks go from 02:00 to 03:00, at 01:00 UTC.
    const state = compileTimes([night])(Date.UTC(2025, 2, 30, 0, 45));
    assert.deepEqual([state.inside, state.until], [true, Date.UTC(2025, 2, 30, 1, 0)]);
    const after = compileTimes([night])(state.until);
    assert.deepEqual([after.inside, after.until], [true, Date.UTC(2025, 2, 30, 2, 0)]);
  });

  it('tell zones from other words', () => {
    assert.ok(isTimeZone('UTC') && isTimeZone('Asia/Kathmandu'));
    assert.ok(!isTimeZone('Mars/Olympus') && !isTimeZone(''));
  });

  it('are what the clock on the wall says, and stay so until the edge', () => {
    const hour = fc
      .tuple(fc.nat(23), fc.constantFrom('00', '15', '30'))
      .map(([h, m]) => `${h < 10 ? 0 : ''}${h}:${m}`);
    const window = fc
      .record({
        days: fc.subarray([...weekDays], { minLength: 1 }),
        from: hour,
        to: fc.oneof(hour, fc.constant('24:00')),
        tz: fc.constantFrom(
          'UTC',
          'Europe/Zurich',
          'America/New_York',
          'Asia/Kathmandu',
          'Australia/Lord_Howe',
        ),
      })
      .filter(({ from, to }) => from !== to);
    // Around the changes of daylight saving of 2025 in Europe and the other half of the time anywhere.
    const moment = fc.oneof(
      fc.integer({ min: Date.UTC(2025, 0, 1), max: Date.UTC(2026, 0, 1) }),
      fc.integer({ min: Date.UTC(2025, 2, 29), max: Date.UTC(2025, 2, 31) }),
      fc.integer({ min: Date.UTC(2025, 9, 25), max: Date.UTC(2025, 9, 27) }),
    );
    fc.assert(
      fc.property(
        fc.array(window, { minLength: 1, maxLength: 3 }),
        moment,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (windows, now, part) => {
          const times = compileTimes(windows);
          const state = times(now);
          assert.equal(
            state.inside,
            windows.some((one) => isOpen(one, now)),
          );
          assert.ok(state.until > now && state.until <= now + 24 * 60 * minute);
          const later = Math.floor(now + part * (state.until - 1 - now));
          assert.equal(
            windows.some((one) => isOpen(one, later)),
            state.inside,
          );
          const next = times(state.until).inside;
          assert.equal(
            next,
            windows.some((one) => isOpen(one, state.until)),
          );
        },
      ),
    );
  });
});
