import assert from 'node:assert/strict';
import { type ErrorReason, registry } from '#core/errors/registry.ts';
import type { StatusName } from '#core/errors/status.ts';
import type { Answer } from '../edge/answer.ts';
import type { World } from './world.ts';

/** What a bad message is to get. */
export type Expected =
  /** A reason of ours, with its code and a hint; of several any. */
  | ErrorReason
  | readonly ErrorReason[]
  /** Something on the way refuses it, which knows none of our reasons. */
  | { readonly code: StatusName }
  /** It is no RPC. */
  | { readonly http: number | readonly number[] }
  /** It does no harm, and gets what it is due. */
  | ((answer: Answer) => void | Promise<void>);

export interface Case {
  readonly name: string;
  readonly expect: Expected;
  /** Makes what it needs; what it gives back sends the bad message, and that changes nothing. */
  readonly make: (world: World) => (() => Promise<Answer>) | Promise<() => Promise<Answer>>;
}

/** Makes the cases of a table of rows. */
export const casesOf = (
  rows: readonly (readonly [name: string, expect: Expected, make: Case['make']])[],
): Case[] => rows.map(([name, expect, make]) => ({ name, expect, make }));

/**
 * What says that the edge has, for a moment, found a pod unhealthy that was merely slow, as on a busy
 * machine: the case is then tried again.
 */
const passing: readonly unknown[] = ['ATTACH_REQUIRED', 'UNAVAILABLE', 'BACKEND_UNAVAILABLE', 'LEASE_LOST'];
const tries = 3;

/** The bad message gets its answer, nothing has changed, and a good request is answered as before. */
export async function runCase(world: World, { expect, make }: Case): Promise<void> {
  for (let left = tries - 1; ; left--) {
    const send = await make(world);
    const before = await world.record();
    const answer = await send();
    try {
      await meets(answer, expect);
    } catch (error) {
      if (left === 0 || !(passing.includes(answer.reason) || passing.includes(answer.code))) throw error;
      await world.assertGood();
      continue;
    }
    assert.deepEqual(await world.record(true), before, 'something has changed');
    await world.assertGood();
    return;
  }
}

const isReasons = (expect: Expected): expect is readonly ErrorReason[] => Array.isArray(expect);

async function meets(answer: Answer, expect: Expected): Promise<void> {
  if (typeof expect === 'function') return expect(answer);
  const shown = `${answer.httpStatus} ${answer.code} ${answer.reason}: ${answer.text}`;
  if (typeof expect === 'string' || isReasons(expect)) {
    const among: readonly ErrorReason[] = typeof expect === 'string' ? [expect] : expect;
    const reason = among.find((each) => each === answer.reason);
    assert.ok(reason, `${shown}, not ${String(expect)}`);
    assert.equal(answer.code, registry[reason].status, shown);
    assert.ok(answer.metadata.hint, `${shown}: no hint`);
  } else if ('code' in expect) {
    assert.deepEqual([answer.code, answer.reason], [expect.code, undefined], shown);
  } else if ('http' in expect) {
    assert.ok([expect.http].flat().includes(answer.httpStatus ?? 0), shown);
    assert.equal(answer.code, undefined, shown);
  }
}

/** Puts into the message what `spoil` makes of it. */
export function change<T extends object>(message: T | undefined, spoil: (message: T) => Partial<T>): object {
  assert.ok(message);
  Object.assign(message, spoil(message));
  return {};
}

/** A copy with one bit of the byte at `at` turned; from the end if negative. */
export function flipped(bytes: Uint8Array, at: number, bit = 0): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const index = at < 0 ? copy.length + at : at;
  copy[index] = (copy[index] ?? 0) ^ (1 << bit);
  return copy;
}

/** First, middle and last byte. */
export const spots = (bytes: Uint8Array): number[] => [0, bytes.length >> 1, bytes.length - 1];

/** The text with the letter at `at` replaced by another of base64url. */
export function changedLetter(text: string, at: number): string {
  const other = text.at(at) === 'A' ? 'Q' : 'A';
  const index = at < 0 ? text.length + at : at;
  return text.slice(0, index) + other + text.slice(index + 1);
}
