import { SallyportError } from '../core/errors/error.ts';
import { decodeBase64url, encodeBase64url } from '../core/ids/base64url.ts';

/** An open session as it outlives the app's process. Secret: whoever has it can use the session. */
export interface SavedSession {
  readonly sessionId: string;
  /** 32 bytes. */
  readonly sessionKey: Uint8Array;
  /** Unix milliseconds, by the tier's clock. */
  readonly expiresAtMs: number;
  /** Base URLs under which proxies are reached; empty: those of the edges. */
  readonly proxyUrls: readonly string[];
  /** The tier's clock less this device's, milliseconds. */
  readonly clockOffsetMs: number;
}

/** As JSON text, for a store. It holds the session key. */
export function encodeSession(saved: SavedSession): string {
  return JSON.stringify({ format: 1, ...saved, sessionKey: encodeBase64url(saved.sessionKey) });
}

const damaged = (): SallyportError =>
  new SallyportError('MALFORMED', {
    message: 'the stored session cannot be read',
    hint: 'open a new session',
  });

/** Reads what `encodeSession` wrote. Throws MALFORMED, without the text: it may hold a key. */
export function decodeSession(text: string): SavedSession {
  const stored = parse(text);
  const { format, sessionId, sessionKey, expiresAtMs, proxyUrls, clockOffsetMs } = stored;
  const key = typeof sessionKey === 'string' ? decodeBase64url(sessionKey) : undefined;
  if (
    format !== 1 ||
    typeof sessionId !== 'string' ||
    key?.length !== 32 ||
    typeof expiresAtMs !== 'number' ||
    typeof clockOffsetMs !== 'number' ||
    !Array.isArray(proxyUrls) ||
    !proxyUrls.every((url) => typeof url === 'string')
  ) {
    throw damaged();
  }
  return { sessionId, sessionKey: key, expiresAtMs, proxyUrls, clockOffsetMs };
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
