import { createClient } from '@connectrpc/connect';
import { deviceProof } from '../../core/channel/device-proof.ts';
import { SallyportError } from '../../core/errors/error.ts';
import {
  AppDelivery,
  type CheckUpdateResponse,
  Outcome,
  type ReadMetadataResponse,
} from '../../gen/sallyport/catalog/v1/catalog_pb.js';
import { callEdges } from '../call-edges.ts';
import { within } from '../deadline.ts';
import type { Edge, Edges } from '../edges.ts';
import type { AppInfo, Enrolment } from '../enrolment.ts';
import type { Platform } from '../platform.ts';
import { routeHeaders } from '../route.ts';

const tryTimeoutMs = 10_000;
const allTimeoutMs = 60_000;
/** When less than that comes in so long, another edge is tried: somebody may give a byte now and then to keep us waiting. */
const stallMs = 30_000;
const leastBytes = 4096;
const lookMs = 5000;

export type UpdateOutcome = 'healthy' | 'install-failed' | 'crashed' | 'errors';

/** What the catalogue is asked; tests take its place. */
export interface DeliveryClient {
  check(channel: string, signal?: AbortSignal): Promise<Pick<CheckUpdateResponse, 'version' | 'mandatory'>>;
  /** A version of a role's metadata, or the newest for 0. @throws NOT_FOUND */
  metadata(
    role: string,
    version: number,
  ): Promise<Pick<ReadMetadataResponse, 'body' | 'identitySignature' | 'identityKey'>>;
  /** Bytes of a package from an offset on, to the end; goes on by itself when it is cut off. */
  read(
    sha256: Uint8Array,
    offset: number,
    take: (data: Uint8Array) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<void>;
  report(version: string, outcome: UpdateOutcome, signal?: AbortSignal): Promise<void>;
}

export interface DeliveryParts {
  readonly edges: Edges;
  readonly platform: Platform;
  readonly enrolment: () => Enrolment;
  readonly app: AppInfo;
  /** The tier's time as far as it is known, Unix milliseconds. */
  readonly tierNow: () => number;
}

/** The catalogue behind the mesh's edges. It takes no session, only the enrolment. */
export function deliveryClient({ edges, platform, enrolment, app, tierNow }: DeliveryParts): DeliveryClient {
  let correctionMs = 0;
  const proof = () => {
    const { routeKey, sharedKey } = enrolment();
    const timeMs = BigInt(Math.round(tierNow() + correctionMs));
    return { routeKey, timeMs, mac: deviceProof(platform.crypto, sharedKey, routeKey, timeMs) };
  };
  const call = async <T>(
    signal: AbortSignal,
    make: (client: ReturnType<typeof clientOf>, headers: Record<string, string>, edge: Edge) => Promise<T>,
  ): Promise<T> => {
    const ask = () =>
      callEdges(edges, platform, signal, (edge) =>
        make(clientOf(edge), routeHeaders(enrolment().routeKey), edge),
      );
    try {
      return await ask();
    } catch (thrown) {
      const error = SallyportError.from(thrown);
      const serverMs = Number(error.metadata.server_time_ms);
      if (error.reason !== 'CLOCK_SKEW' || !Number.isSafeInteger(serverMs)) throw error;
      // It makes the proof good for this time, nothing else; what was signed is measured by this device's clock.
      correctionMs = serverMs - tierNow();
      return ask();
    }
  };
  const unary = <T>(
    what: string,
    caller: AbortSignal | undefined,
    make: (client: ReturnType<typeof clientOf>, options: CallOptions) => Promise<T>,
  ): Promise<T> =>
    within(platform, allTimeoutMs, what, caller, (signal) =>
      call(signal, (client, headers) => make(client, { signal, headers, timeoutMs: tryTimeoutMs })),
    );
  const named = (version: string) => ({
    appId: app.appId,
    platform: app.platform.toLowerCase(),
    version,
  });
  return {
    check: (channel, caller) =>
      unary('to ask for an update', caller, (client, options) =>
        client.checkUpdate({ proof: proof(), installed: named(app.version), channel }, options),
      ),
    metadata: (role, version) =>
      unary(`to read the metadata of ${role}`, undefined, (client, options) =>
        client.readMetadata({ proof: proof(), role, version }, options),
      ),
    report: async (version, outcome, caller) => {
      await unary('to report an update', caller, (client, options) =>
        client.reportUpdate({ proof: proof(), release: named(version), outcome: outcomes[outcome] }, options),
      );
    },
    read: async (sha256, offset, take, caller) => {
      let at = offset;
      await call(caller ?? new AbortController().signal, async (client, headers, edge) => {
        const guard = stallGuard(platform, caller);
        try {
          const request = { proof: proof(), sha256, offset: BigInt(at) };
          for await (const { data } of client.readTarget(request, { signal: guard.signal, headers })) {
            await take(data);
            at += data.length;
            guard.moved(data.length);
          }
        } catch (thrown) {
          if (guard.stalled === undefined) throw thrown;
          edges.failed(edge, guard.stalled);
          throw guard.stalled;
        } finally {
          guard.done();
        }
      });
    },
  };
}

interface CallOptions {
  readonly signal: AbortSignal;
  readonly headers: Record<string, string>;
  readonly timeoutMs: number;
}

const clientOf = (edge: Edge) => createClient(AppDelivery, edge.transport);

const outcomes: Readonly<Record<UpdateOutcome, Outcome>> = {
  healthy: Outcome.HEALTHY,
  'install-failed': Outcome.INSTALL_FAILED,
  crashed: Outcome.CRASHED,
  errors: Outcome.ERRORS,
};

function stallGuard(platform: Platform, caller: AbortSignal | undefined) {
  const end = new AbortController();
  const over = new AbortController();
  let stalled: SallyportError | undefined;
  let bytes = 0;
  const watch = async (): Promise<void> => {
    const before = Array.from({ length: stallMs / lookMs }, () => -leastBytes);
    for (;;) {
      await platform.sleep(lookMs, over.signal);
      if (bytes - (before.shift() ?? 0) < leastBytes) break;
      before.push(bytes);
    }
    const message = `less than ${leastBytes} bytes came in ${stallMs / 1000} s`;
    stalled = new SallyportError('UNAVAILABLE', { message });
    end.abort(stalled);
  };
  // It ends with `over`.
  watch().catch(() => undefined);
  return {
    signal: caller ? AbortSignal.any([caller, end.signal]) : end.signal,
    /** Why it was given up. */
    get stalled() {
      return stalled;
    },
    moved: (more: number) => {
      bytes += more;
    },
    done: () => over.abort(),
  };
}
