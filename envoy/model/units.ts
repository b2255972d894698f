import { z } from 'zod';

const millisecondsIn = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
const bytesIn = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

function milliseconds(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const unit = match?.[2] as keyof typeof millisecondsIn | undefined;
  return unit === undefined ? undefined : Number(match?.[1]) * millisecondsIn[unit];
}

function bytes(text: string): number | undefined {
  const match = /^(\d+)(B|KiB|MiB|GiB)$/.exec(text);
  const unit = match?.[2] as keyof typeof bytesIn | undefined;
  return unit === undefined ? undefined : Number(match?.[1]) * bytesIn[unit];
}

/** `250ms`, `1.5s`, `2m`, `1h` within the given range, given on in the form protobuf's JSON has: `0.25s`. */
export const duration = (min: string, max: string) =>
  z.string().transform((text, ctx) => {
    const ms = milliseconds(text);
    if (ms === undefined) {
      ctx.addIssue(`write a duration with its unit, as in 250ms, 1.5s, 2m, 1h; not ${JSON.stringify(text)}`);
      return z.NEVER;
    }
    if (ms < (milliseconds(min) ?? 0) || ms > (milliseconds(max) ?? 0)) {
      ctx.addIssue(`${text} is out of range: ${min} to ${max}`);
      return z.NEVER;
    }
    return `${ms / 1000}s`;
  });

/** `64KiB`, `256MiB` within the given range, given on as a number of bytes. */
export const size = (min: string, max: string) =>
  z.string().transform((text, ctx) => {
    const n = bytes(text);
    if (n === undefined) {
      ctx.addIssue(`write a size with its unit, as in 512B, 64KiB, 256MiB; not ${JSON.stringify(text)}`);
      return z.NEVER;
    }
    if (n < (bytes(min) ?? 0) || n > (bytes(max) ?? 0)) {
      ctx.addIssue(`${text} is out of range: ${min} to ${max}`);
      return z.NEVER;
    }
    return n;
  });

export const count = (min: number, max: number) => z.int().min(min).max(max);
