import { SallyportError } from '../core/errors/error.ts';
import { decodeBase64url, encodeBase64url } from '../core/ids/base64url.ts';
import { isRouteKey } from '../core/ids/ids.ts';

/** What an installation keeps for as long as it is enrolled. Secret: whoever has it can speak for the device. */
export interface Enrolment {
  /** First part of every session id, and what Envoy hashes. */
  readonly routeKey: string;
  readonly deviceId: string;
  /** Name of the user it is enrolled for. */
  readonly user: string;
  readonly appId: string;
  /** 32 bytes. */
  readonly sharedKey: Uint8Array;
  /** 1 from enrolment, one more with each rotation. */
  readonly sharedKeyVersion: number;
  /** SHA-256 of the tier's identity key, pinned from the activation string. */
  readonly identityDigest: Uint8Array;
  /** The strongest suite ever used with this tier; a weaker offer is refused. */
  readonly strongestSuite: number;
  /** Base URLs. */
  readonly edges: readonly string[];
}

/** Which app on which phone speaks; see `AppContext` in channel.proto for the fields' limits. */
export interface AppInfo {
  /** "ios", "android", "web", "linux" … */
  readonly platform: string;
  readonly appId: string;
  readonly version: string;
  /** SHA-256 of the app's signing certificate, where the platform has one. */
  readonly certDigest?: Uint8Array;
  readonly osVersion?: string;
  /** Posture claims, for example `{ screen_lock: 'true' }`. */
  readonly posture?: Readonly<Record<string, string>>;
}

/** As JSON text, for a store. It holds the shared key. */
export function encodeEnrolment(enrolment: Enrolment): string {
  const { sharedKey, identityDigest, ...rest } = enrolment;
  return JSON.stringify({
    format: 1,
    ...rest,
    sharedKey: encodeBase64url(sharedKey),
    identityDigest: encodeBase64url(identityDigest),
  });
}

const damaged = (): SallyportError =>
  new SallyportError('MALFORMED', {
    message: 'the stored enrolment cannot be read',
    hint: 'restore it from where it was saved, or enrol again with a new activation code',
  });

/** Reads what `encodeEnrolment` wrote. Throws MALFORMED, without the text: it may hold a key. */
export function decodeEnrolment(text: string): Enrolment {
  const stored = parse(text);
  const { edges, routeKey } = stored;
  if (stored.format !== 1 || !Array.isArray(edges) || edges.length === 0) throw damaged();
  const valid = string(routeKey);
  if (!isRouteKey(valid)) throw damaged();
  return {
    routeKey: valid,
    deviceId: string(stored.deviceId),
    user: string(stored.user),
    appId: string(stored.appId),
    sharedKey: key(stored.sharedKey),
    sharedKeyVersion: count(stored.sharedKeyVersion),
    identityDigest: key(stored.identityDigest),
    strongestSuite: count(stored.strongestSuite),
    edges: edges.map(string),
  };
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return { ...value };
  } catch {
    // The parser's message quotes the text; ours must not.
  }
  throw damaged();
}

function string(value: unknown): string {
  if (typeof value !== 'string') throw damaged();
  return value;
}

function count(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw damaged();
  return value;
}

function key(value: unknown): Uint8Array {
  const bytes = decodeBase64url(string(value));
  if (bytes?.length !== 32) throw damaged();
  return bytes;
}
