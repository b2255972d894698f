import { createClient } from '@connectrpc/connect';
import { beginAttach, completeAttach } from '../core/channel/attach.ts';
import { wipe } from '../core/channel/bytes.ts';
import { FrameOpener, FrameSealer } from '../core/channel/frame.ts';
import { Relay } from '../gen/sallyport/relay/v1/relay_pb.js';
import type { Edge } from './edges.ts';
import type { Platform } from './platform.ts';
import { routeHeaders } from './route.ts';

const tryTimeoutMs = 5000;

/** A session as the security tier gave it. */
export interface SessionSecrets {
  readonly sessionId: string;
  readonly routeKey: string;
  /** 32 bytes. */
  readonly sessionKey: Uint8Array;
}

/** One attachment: number, keys and frame numbers. */
export interface Attached {
  readonly session: SessionSecrets;
  readonly edge: Edge;
  readonly proxy: string;
  /** 16 bytes. */
  readonly epoch: Uint8Array;
  /** Whether the proxy takes several messages of a stream in one frame. */
  readonly batches: boolean;
  readonly sealer: FrameSealer;
  readonly opener: FrameOpener;
}

/** Attaches once, through one edge. Throws what the call throws, and UNTRUSTED_SERVER. */
export async function attach(
  platform: Platform,
  session: SessionSecrets,
  edge: Edge,
  signal: AbortSignal,
  traceparent?: string,
): Promise<Attached> {
  const { crypto } = platform;
  const { sessionId, sessionKey, routeKey } = session;
  const { deviceNonce, proof } = beginAttach(crypto, sessionKey, sessionId);
  const { epoch, serverNonce, proxy, confirmation, batches } = await createClient(
    Relay,
    edge.transport,
  ).attach(
    { sessionId, deviceNonce, proof },
    { signal, timeoutMs: tryTimeoutMs, headers: routeHeaders(routeKey, traceparent) },
  );
  const keys = completeAttach(crypto, session, { epoch, deviceNonce, serverNonce, proxy, confirmation });
  const direction = { sessionId, epoch };
  const sealer = new FrameSealer(crypto, { ...direction, key: keys.deviceToProxy });
  const opener = new FrameOpener(crypto, { ...direction, key: keys.proxyToDevice });
  wipe(keys.deviceToProxy, keys.proxyToDevice);
  return { session, edge, proxy, epoch, batches, sealer, opener };
}
