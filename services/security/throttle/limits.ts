import type { Clock } from '#kernel/time/clock.ts';
import { Throttle } from './throttle.ts';

/**
 * What is counted before somebody is known. Limits per address only spare this pod work: a whole company
 * may stand behind one address, and one of its phones must not lock the others out. What protects a
 * password is counted where nobody else's attempts count.
 */
export interface Limits {
  /** Enrolments that fail, per address. A code of 128 bits cannot be guessed; each guess costs a handshake. */
  readonly enrolments: Throttle;
  /** OpenSession messages that do not open, per route key and address. */
  readonly unsealableHere: Throttle;
  /** The same per address, whatever the route key. */
  readonly unsealable: Throttle;
  /** Wrong passwords per enrolment: whoever has not got the device's shared key cannot lock its user out. */
  readonly devicePasswords: Throttle;
  /** Wrong passwords of people, per user and address: a stranger elsewhere locks nobody out. */
  readonly userPasswords: Throttle;
  /** Wrong passwords of people per address, whomever they were tried for. */
  readonly passwords: Throttle;
  /** Bearer tokens of SCIM clients that are none, per address: each costs a look at the database. */
  readonly scimTokens: Throttle;
}

export function limits(clock: Clock): Limits {
  const throttle = (what: string, burst: number, refillMs: number): Throttle =>
    new Throttle({ what, burst, refillMs }, clock);
  return {
    enrolments: throttle('failed enrolments from this address', 300, 200),
    unsealableHere: throttle('messages of this device that do not open', 20, 3000),
    unsealable: throttle('messages from this address that do not open', 1000, 50),
    devicePasswords: throttle('wrong passwords from this device', 5, 30_000),
    userPasswords: throttle('wrong passwords for this user', 10, 30_000),
    passwords: throttle('wrong passwords from this address', 200, 1000),
    scimTokens: throttle('wrong SCIM tokens from this address', 100, 1000),
  };
}
