import { labelled, utf8 } from '#core/channel/bytes.ts';
import { SallyportError } from '#core/errors/error.ts';
import { decodeBase64url, encodeBase64url } from './base64url.ts';
import { isRouteKey } from './ids.ts';

/** The part of a crypto provider that session ids need. */
export interface IdCrypto {
  randomBytes(length: number): Uint8Array;
  /** HMAC-SHA256. */
  hmac(key: Uint8Array, data: Uint8Array): Uint8Array;
  constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean;
}

/** The parts of a session id `<route key>.<opener pod>.<random>.<MAC>`. */
export interface SessionId {
  /** The whole id. */
  text: string;
  routeKey: string;
  /** Name of the security pod that opened the session. */
  opener: string;
  /** The id without its MAC: what the MAC covers, and what operators may see (it opens nothing). */
  handle: string;
  /** 16 bytes, not yet checked. */
  mac: Uint8Array;
}

const maxLength = 160;
const pattern =
  /^(?<routeKey>[A-Za-z0-9_-]{21}[AQgw])\.(?<opener>[a-z0-9-]{1,40})\.[A-Za-z0-9_-]{21}[AQgw]\.(?<mac>[A-Za-z0-9_-]{21}[AQgw])$/;

const macLabel = 'sallyport session id v1';

function macOf(crypto: IdCrypto, key: Uint8Array, handle: string): Uint8Array {
  return crypto.hmac(key, labelled(macLabel, utf8(handle))).slice(0, 16);
}

/**
 * Makes a session id. `macKey` is 32 bytes that only the security tier has.
 * Throws INVALID_FIELD when route key or opener are not spelled as the protocol says.
 */
export function mintSessionId(
  crypto: IdCrypto,
  parts: { routeKey: string; opener: string; macKey: Uint8Array },
): string {
  if (!isRouteKey(parts.routeKey) || !/^[a-z0-9-]{1,40}$/.test(parts.opener)) {
    throw new SallyportError('INVALID_FIELD', {
      message: 'route key or opener of a new session id is not valid',
    });
  }
  const handle = `${parts.routeKey}.${parts.opener}.${encodeBase64url(crypto.randomBytes(16))}`;
  return `${handle}.${encodeBase64url(macOf(crypto, parts.macKey, handle))}`;
}

/** Takes a session id apart, at most 160 letters. Throws MALFORMED. Does not check the MAC. */
export function parseSessionId(text: string): SessionId {
  const groups = text.length <= maxLength ? pattern.exec(text)?.groups : undefined;
  const mac = decodeBase64url(groups?.mac ?? '');
  if (groups?.routeKey === undefined || groups.opener === undefined || mac === undefined) {
    throw new SallyportError('MALFORMED', {
      message: 'this is not a session id',
      hint: 'send session_id as OpenSession gave it',
    });
  }
  return {
    text,
    routeKey: groups.routeKey,
    opener: groups.opener,
    handle: text.slice(0, text.lastIndexOf('.')),
    mac,
  };
}

/**
 * Whether one of the keys made the id's MAC. Cheap on purpose: it stands before every look-up.
 * All keys are tried in constant time, so the answer's delay tells nothing about which one fits.
 */
export function checkSessionIdMac(crypto: IdCrypto, id: SessionId, macKeys: readonly Uint8Array[]): boolean {
  let known = false;
  for (const key of macKeys) known = crypto.constantTimeEqual(macOf(crypto, key, id.handle), id.mac) || known;
  return known;
}

/** The route key of a session id, for the header `x-sallyport-route`. Throws MALFORMED. */
export function routeKeyOf(sessionId: string): string {
  return parseSessionId(sessionId).routeKey;
}
