import { fromBinary } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import {
  chooseServerKey,
  type OfferedKey,
  type OfferedKeys,
  type SignedKeyList,
  verifyKeyList,
} from '../core/channel/server-keys.ts';
import { SallyportError } from '../core/errors/error.ts';
import { ServerKeyListSchema } from '../gen/sallyport/channel/v1/channel_pb.js';
import { KeyStore } from '../gen/sallyport/keystore/v1/key_store_pb.js';
import { callEdges } from './call-edges.ts';
import type { Edges } from './edges.ts';
import type { Platform } from './platform.ts';
import { routeHeaders } from './route.ts';

const tryTimeoutMs = 5000;
/** Milliseconds after which another edge is asked as well. */
const alsoAfterMs = 1500;

export interface ServerKeysDeps {
  readonly edges: Edges;
  readonly platform: Platform;
  readonly routeKey: string;
  /** SHA-256 of the tier's identity key. */
  readonly identityDigest: Uint8Array;
}

/** The tier's keys to seal to: fetched, verified against the pinned identity, and kept until they expire. */
export class ServerKeys {
  readonly #deps: ServerKeysDeps;
  #offered: OfferedKeys | undefined;

  constructor(deps: ServerKeysDeps) {
    this.#deps = deps;
  }

  /** @throws UNTRUSTED_SERVER, UNKNOWN_SUITE, UNKNOWN_SERVER_KEY, UNAVAILABLE */
  async choose(strongestSeen: number, nowMs: number, signal: AbortSignal): Promise<OfferedKey> {
    const kept = this.#offered;
    if (kept && nowMs < kept.expiresAtMs) {
      try {
        return chooseServerKey(kept, { nowMs, strongestSeen });
      } catch {
        // Its keys may have run out before the list did: a fresh list decides, and its error is told.
        this.forget();
      }
    }
    this.#offered = await this.#fetch(signal);
    return chooseServerKey(this.#offered, { nowMs, strongestSeen });
  }

  /** The tier says that it does not know the key: the list is fetched anew next time. */
  forget(): void {
    this.#offered = undefined;
  }

  async #fetch(signal: AbortSignal): Promise<OfferedKeys> {
    const { edges, platform, routeKey, identityDigest } = this.#deps;
    const { keyList, signature, identityKey } = await callEdges(
      edges,
      platform,
      signal,
      (edge, within) =>
        createClient(KeyStore, edge.transport).getServerKeys(
          {},
          { signal: within, timeoutMs: tryTimeoutMs, headers: routeHeaders(routeKey) },
        ),
      { alsoAfterMs },
    );
    const signed: SignedKeyList = { list: keyList, signature, identityKey };
    verifyKeyList(platform.crypto, identityDigest, signed);
    return parseList(keyList);
  }
}

function parseList(bytes: Uint8Array): OfferedKeys {
  try {
    const { expiresAtMs, suites, keys } = fromBinary(ServerKeyListSchema, bytes);
    return {
      expiresAtMs: Number(expiresAtMs),
      suites,
      keys: keys.map(({ keyId, suite, publicKey, notBeforeMs, notAfterMs }) => ({
        keyId,
        suite,
        publicKey,
        notBeforeMs: Number(notBeforeMs),
        notAfterMs: Number(notAfterMs),
      })),
    };
  } catch (cause) {
    throw new SallyportError('MALFORMED', { message: 'the list of server keys cannot be read', cause });
  }
}
