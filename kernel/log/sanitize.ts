import { serializeError } from './serialize-error.ts';

const maxDepth = 6;
const maxItems = 100;
const maxText = 8192;
const redacted = '[redacted]';

/** Names without case, `_` and `-`. A name that ends with one of these holds a secret. */
const secretEndings = [
  'password',
  'passwd',
  'passphrase',
  'secret',
  'token',
  'psk',
  'pin',
  'authorization',
  'cookie',
  'credential',
  'credentials',
  'assertion',
  'activationcode',
  'activationstring',
  'sharedkey',
  'sessionkey',
  'privatekey',
  'secretkey',
  'rootkey',
  'datakey',
  'mackey',
  'traffickey',
  'apikey',
  'keymaterial',
];

/**
 * `<route key>.<opener>.<random>.<MAC>`: whoever reads a log must not be able to use it as a bearer. Wherever it
 * stands: one of 64 begins with `-`, where no word begins, and a text may be glued to it.
 */
const sessionId = /([\w-]{22})\.[a-z0-9-]{1,40}\.[\w-]{22}\.[\w-]{22}/g;
/** The longest secret that these patterns find whole; a cut through one would leave what is easily guessed. */
const maxSecret = 1024;
const privatePem = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g;
const jwt = /eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}/g;
const bearer = /\b(Bearer|Basic) [\w+/=.~-]{8,}/gi;

/** Text without session ids (only their route part stays), tokens and private keys, and at most 8 KiB long. */
export function sanitizeText(text: string): string {
  const safe = text
    .slice(0, maxText + maxSecret)
    .replace(sessionId, '$1.…')
    .replace(jwt, redacted)
    .replace(bearer, `$1 ${redacted}`)
    .replace(privatePem, '[private key]');
  return text.length > maxText ? `${safe.slice(0, maxText)}… (${text.length} characters)` : safe;
}

/**
 * A copy of what is to be logged that is safe and of bounded size: values under secret names are replaced,
 * bytes become `[32 bytes]`, errors are told as reason, message, hint and causes, anything deeper than six
 * levels or longer than 100 items is cut.
 */
export function sanitize(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return cleanObject(fields, 0, new Set());
}

function clean(value: unknown, depth: number, within: Set<object>): unknown {
  if (typeof value === 'string') return sanitizeText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Error) return serializeError(value, sanitizeText);
  if (within.has(value)) return '[circular]';
  if (depth >= maxDepth) return Array.isArray(value) ? `[${value.length} items]` : '[object]';
  within.add(value);
  try {
    if (Array.isArray(value)) return cleanList(value, depth, within);
    if (value instanceof Set) return cleanList([...value], depth, within);
    if (value instanceof Map) {
      return cleanObject(Object.fromEntries(value), depth, within);
    }
    return cleanObject(value as Record<string, unknown>, depth, within);
  } finally {
    within.delete(value);
  }
}

function cleanList(list: readonly unknown[], depth: number, within: Set<object>): unknown[] {
  const items = list.slice(0, maxItems).map((item) => clean(item, depth + 1, within));
  if (list.length > maxItems) items.push(`… ${list.length - maxItems} more`);
  return items;
}

function cleanObject(
  fields: Readonly<Record<string, unknown>>,
  depth: number,
  within: Set<object>,
): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  let left = maxItems;
  for (const [name, value] of Object.entries(fields)) {
    if (left-- === 0) {
      result['…'] = `${Object.keys(fields).length - maxItems} more`;
      break;
    }
    result[name] = holdsSecret(name, value) ? redacted : clean(value, depth + 1, within);
  }
  return result;
}

function holdsSecret(name: string, value: unknown): boolean {
  if (value === undefined || value === null || typeof value === 'boolean') return false;
  const plain = name.toLowerCase().replaceAll(/[_-]/g, '');
  // An activation code is text; a number under this name is an exit or status code.
  if (plain === 'code') return typeof value !== 'number';
  return secretEndings.some((ending) => plain.endsWith(ending));
}
