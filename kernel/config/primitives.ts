import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';
import { z } from 'zod';

/**
 * Building blocks of configuration schemas. Each carries `.meta({ kind, unit, min, max })`, from which
 * the documentation is made (`describe-schema.ts`).
 */

export interface Range {
  min?: number;
  max?: number;
}

const durationUnits = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const byteUnits = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
} as const;

/** A length of time: milliseconds as a number, or text like `250ms`, `10s`, `5m`, `2h`, `7d`. Gives milliseconds. */
export const duration = (range: Range = {}) => quantity('duration', 'ms', durationUnits, range);

/** A size: bytes as a number, or text like `512B`, `64KiB`, `10MB`. Gives bytes. */
export const bytes = (range: Range = {}) => quantity('bytes', 'B', byteUnits, range);

/** A TCP or UDP port, 1 to 65535. */
export const port = () => z.int().min(1).max(65_535).meta({ kind: 'port', min: 1, max: 65_535 });

/** An absolute path. */
export const path = () =>
  z
    .string()
    .refine((text) => isAbsolute(text) && !text.includes('\0'), 'must be an absolute path')
    .meta({ kind: 'path' });

/** An absolute path of a Unix socket: below 100 bytes, since the kernel's limit is 103 to 107. */
export const socketPath = () =>
  z
    .string()
    .refine((text) => isAbsolute(text) && !text.includes('\0'), 'must be an absolute path')
    .refine((text) => Buffer.byteLength(text) < 100, 'must be shorter than 100 bytes')
    .meta({ kind: 'socket path' });

/** An IPv4 or IPv6 address. */
export const ipAddress = () =>
  z
    .string()
    .refine((text) => isIP(text) !== 0, 'must be an IP address')
    .meta({ kind: 'IP address' });

/** A pod's name: `[a-z0-9-]`, 1 to 40 characters. */
export const podName = () =>
  z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/, 'must be 1 to 40 of a-z, 0-9 and -')
    .meta({ kind: 'pod name' });

/** Marks a field whose value is never shown: not in errors, not in documentation. */
export const secret = <S extends z.ZodType>(schema: S) => schema.meta({ ...schema.meta(), secret: true });

function quantity(
  kind: string,
  unit: string,
  units: Readonly<Record<string, number>>,
  { min = 0, max = Number.MAX_SAFE_INTEGER }: Range,
) {
  return z
    .union([z.number(), z.string()])
    .transform((given, context) => {
      const value = typeof given === 'number' ? given : parseQuantity(given, units);
      if (value === undefined) {
        context.addIssue(
          `must be a number of ${unit} or a number with one of ${Object.keys(units).join(', ')}`,
        );
        return z.NEVER;
      }
      if (!(value >= min && value <= max)) {
        context.addIssue(`must be between ${format(min, units)} and ${format(max, units)}`);
        return z.NEVER;
      }
      return value;
    })
    .meta({ kind, unit, min, max });
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]*)$/.exec(text.trim());
  if (!match?.[1]) return undefined;
  const factor = match[2] === '' ? 1 : units[match[2] ?? ''];
  return factor === undefined ? undefined : Number(match[1]) * factor;
}

/** Milliseconds as people write them: 10s, 1.5s is 1500ms. */
export const formatDuration = (ms: number): string => format(ms, durationUnits);

/** Bytes as people write them: 64KiB. */
export const formatBytes = (size: number): string => format(size, byteUnits);

function format(value: number, units: Readonly<Record<string, number>>): string {
  let best = `${value}${Object.keys(units)[0]}`;
  for (const [unit, factor] of Object.entries(units)) {
    if (value !== 0 && value % factor === 0) {
      const text = `${value / factor}${unit}`;
      if (text.length <= best.length) best = text;
    }
  }
  return best;
}
