import { SallyportError } from '#core/errors/error.ts';
import {
  AppDelivery,
  CatalogStore,
  type DeviceProof,
  ReadTargetResponseSchema,
} from '#gen/sallyport/catalog/v1/catalog_pb.js';
import { Encoded } from '#kernel/rpc/encoded.ts';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import type { RpcObserver } from '#kernel/rpc/observer.ts';
import { PieceCache } from './piece-cache.ts';

export interface DeliveryOptions {
  /** The sidecar's egress to the security tier. */
  readonly socketPath: string;
  /** Milliseconds for an answer of the tier. */
  readonly timeoutMs: number;
  /** Bytes of packages that are kept. */
  readonly cacheBytes: number;
  /** Aborted when this proxy drains: what is under way then goes on through another one. */
  readonly draining: AbortSignal;
  readonly observer?: RpcObserver;
}

export interface Delivery {
  readonly handlers: Handlers<typeof AppDelivery>;
  /** Bytes of packages that are kept. */
  readonly cachedBytes: number;
  close(): void;
}

/** The app catalogue near the devices: what the tier has to answer is passed on, packages are kept for a while. */
export function delivery(options: DeliveryOptions): Delivery {
  const { socketPath, timeoutMs, draining, observer } = options;
  const to = { address: `unix:${socketPath}`, defaultDeadlineMs: timeoutMs, ...(observer && { observer }) };
  const tier = createGrpcClient(AppDelivery, to);
  const store = createGrpcClient(CatalogStore, to);
  const pieces = new PieceCache(async (sha256, index) => {
    // For whoever else waits for it, too: it does not end with the call that came first.
    const { data } = await store.readPiece({ sha256, index });
    return data;
  }, options.cacheBytes);
  const passed = ({ signal, deadlineMs }: CallContext, proof: DeviceProof | undefined) => ({
    signal,
    deadlineMs,
    headers: { 'x-sallyport-route': proof?.routeKey ?? '' },
  });
  return {
    get cachedBytes() {
      return pieces.bytes;
    },
    handlers: {
      checkUpdate: (request, call) => tier.checkUpdate(request, passed(call, request.proof)),
      readMetadata: (request, call) => tier.readMetadata(request, passed(call, request.proof)),
      reportUpdate: (request, call) => tier.reportUpdate(request, passed(call, request.proof)),
      readTarget: async function* ({ proof, sha256, offset }, call) {
        const opened = await store.openTarget(
          { ...(proof && { proof }), sha256 },
          { ...passed(call, proof), timeoutMs },
        );
        const [length, chunkBytes] = [Number(opened.length), opened.chunkBytes];
        let at = Number(offset);
        while (at < length) {
          if (draining.aborted) throw leaving();
          if (call.signal.aborted) throw call.signal.reason;
          const piece = await pieces.get(sha256, Math.floor(at / chunkBytes));
          const rest = piece.subarray(at % chunkBytes);
          if (rest.length === 0) throw new SallyportError('INTERNAL', { message: 'a piece is too short' });
          at += rest.length;
          yield readTargetResponse(rest);
        }
      },
    },
    close: () => {
      tier.close();
      store.close();
    },
  };
}

const leaving = (): SallyportError =>
  new SallyportError('UNAVAILABLE', {
    message: 'this proxy is draining; go on through another one',
    retryAfterMs: 100,
  });

/** A ReadTargetResponse, written when it is sent to memory that all messages share: packages are much to collect. */
export function readTargetResponse(data: Uint8Array): Encoded<typeof ReadTargetResponseSchema> {
  const head = [0x0a];
  for (let left = data.length; ; left >>>= 7) {
    if (left < 0x80) {
      head.push(left);
      break;
    }
    head.push((left & 0x7f) | 0x80);
  }
  return new Encoded(ReadTargetResponseSchema, {
    length: head.length + data.length,
    writeTo: (into) => {
      into.set(head);
      into.set(data, head.length);
    },
  });
}
