/** The small values of a policy document, each with the words an administrator gets when it is wrong. */
import { z } from 'zod';
import { canonicalHost } from './host.ts';
import { parseNetwork } from './network.ts';
import { normalizePath } from './path.ts';
import { dayNumber, isTimeZone, parseTimeOfDay, type WeekDay, weekDays } from './time-window.ts';
import { compareVersions, parseVersion } from './version-compare.ts';

/** A field that `read` understands or says what is wrong with; `hint` says how to write it. */
function field<T>(hint: string, read: (value: unknown) => T | undefined) {
  return z.unknown().transform((value, context): T => {
    const result = value === undefined ? undefined : read(value);
    if (result !== undefined) return result;
    const message = value === undefined ? 'is missing' : `${show(value)} is not valid here`;
    context.addIssue({ code: 'custom', message, params: { hint } });
    return z.NEVER;
  });
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

const matching = (pattern: RegExp) => (value: unknown) =>
  typeof value === 'string' && pattern.test(value) ? value : undefined;

/** Name of a resource: can stand where a host stands, so it has no dot. */
export const resourceName = field(
  'use 1–63 lower-case letters, digits and inner hyphens, for example payroll',
  matching(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/),
);
export const clusterName = field(
  'use the name of a backend cluster of the mesh, for example intranet',
  matching(/^[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,98}[a-zA-Z0-9])?$/),
);
/** Users, groups, rule names, app ids: whatever a directory allows, without control characters. */
export const label = field(
  'use 1–256 characters of text; put it in quotes if it looks like a number',
  matching(/^[^\p{Cc}]{1,256}$/u),
);
export const platform = field(
  'use a lower-case name such as ios, android or web',
  matching(/^[a-z][a-z0-9_-]{0,31}$/),
);
export const method = field(
  'use a method in upper case, for example GET',
  matching(/^[A-Z][A-Z0-9-]{0,31}$/),
);
export const certDigest = field(
  'use the SHA-256 of the signing certificate: 64 hexadecimal digits, with or without colons',
  (value) => {
    const digits = typeof value === 'string' ? value.replaceAll(':', '').toLowerCase() : '';
    return /^[0-9a-f]{64}$/.test(digits) ? digits : undefined;
  },
);
export const network = field('use an address or a network such as 10.0.0.0/8 or 2001:db8::/32', (value) =>
  typeof value === 'string' && parseNetwork(value) ? value : undefined,
);
export const host = field(
  'use a host such as intranet.example, with a port only if it is not 80 or 443, or *.intranet.example',
  (value) => {
    if (typeof value !== 'string') return undefined;
    const wildcard = value.startsWith('*.');
    const name = canonicalHost(wildcard ? value.slice(2) : value);
    return name && (wildcard ? `*.${name}` : name);
  },
);
export const pathPrefix = field(
  'use a plain path such as / or /payroll, without .., //, ?, ; or encoded slashes',
  (value) => {
    if (typeof value !== 'string' || value.includes('?') || value.includes(';')) return undefined;
    try {
      const normal = normalizePath(encodeURI(value).replaceAll('%25', '%'));
      return normal === '/' ? normal : normal.replace(/\/$/, '');
    } catch {
      // Whatever was wrong with it, the hint says what a path looks like.
      return undefined;
    }
  },
);

const versionHint = 'use dotted numbers in quotes, for example "1.10": YAML reads 1.10 without them as 1.1';
export const version = field(versionHint, (value) => {
  const text = Number.isSafeInteger(value) ? String(value) : value;
  return typeof text === 'string' && parseVersion(text) ? text : undefined;
});
/** Whether two versions stand the wrong way round. */
export function inverted(min: string | undefined, max: string | undefined): boolean {
  const low = min === undefined ? undefined : parseVersion(min);
  const high = max === undefined ? undefined : parseVersion(max);
  return low !== undefined && high !== undefined && compareVersions(low, high) > 0;
}

export const timeOfDay = field('use "HH:MM" in quotes, from "00:00" to "24:00"', (value) =>
  typeof value === 'string' && parseTimeOfDay(value) !== undefined ? value : undefined,
);
export const timeZone = field('use an IANA time zone, for example Europe/Zurich', (value) =>
  typeof value === 'string' && isTimeZone(value) ? value : undefined,
);

/** `mon`, or `mon-fri`, which may run over the end of the week. */
function readDays(value: unknown): readonly WeekDay[] | undefined {
  const [first, last, ...rest] = typeof value === 'string' ? value.split('-') : [];
  const from = dayNumber(first ?? '');
  const to = last === undefined ? from : dayNumber(last);
  if (from < 0 || to < 0 || rest.length > 0) return undefined;
  return weekDays.filter((_, day) => (day - from + 7) % 7 <= (to - from + 7) % 7);
}
export const days = field(
  'use a list of mon, tue, wed, thu, fri, sat, sun or ranges such as mon-fri',
  (value) => {
    const parts = (Array.isArray(value) ? value : [value]).map(readDays);
    if (parts.length === 0 || parts.length > 7 || parts.includes(undefined)) return undefined;
    return weekDays.filter((name) => parts.some((part) => part?.includes(name)));
  },
);
