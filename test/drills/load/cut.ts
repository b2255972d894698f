import { SallyportError } from '#core/errors/error.ts';
import { RevokeWait, SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import type { GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import type { Session } from '#sdk/session.ts';
import { askSecurity } from '#services/cli/operator.ts';
import type { LoadContext } from './context.ts';
import type { NamedDevice } from './devices.ts';
import type { CutReport } from './messages.ts';

/** Of one session: one stream may be cut long after the other. */
const streamsEach = 2;
/** Under way at a time at most; more wait for their turn. */
const maxOpen = 8;
const commitMs = 30_000;
/** A stream that is open so long after its revocation is wrong (lease and freshness, one after the other). */
const cutMs = 35_000;

/**
 * Opens sessions with streams, and revokes each when all its streams have brought something. Gives, of each,
 * the milliseconds from the operator's call until the last stream was cut, as its reader saw it.
 */
export async function cutStreams(
  context: LoadContext,
  devices: readonly NamedDevice[],
  o: { readonly revocations: number; readonly perSecond: number },
): Promise<CutReport> {
  // One connection for all: a tool's handshake is no part of the revocation.
  return askSecurity(context.mesh, SessionService, async (sessions) => {
    const ms: number[] = [];
    const committedMs: number[] = [];
    const begun = context.now();
    let next = 0;
    const strand = async (): Promise<void> => {
      while (next < o.revocations && !context.signal.aborted) {
        const n = next++;
        await systemClock.sleep(begun + (1000 * n) / o.perSecond - context.now(), context.signal);
        const device = devices[n % devices.length];
        if (device === undefined) throw new RangeError('there are no devices to log in on');
        const times = await cutOne(context, device, sessions);
        if (times === undefined) continue;
        ms.push(times.ms);
        committedMs.push(times.committedMs);
      }
    };
    await Promise.all(Array.from({ length: maxOpen }, strand));
    return { ms, committedMs };
  });
}

/** Undefined when something failed, which is recorded. */
async function cutOne(
  context: LoadContext,
  { device, credentials, name }: NamedDevice,
  sessions: GrpcClient<typeof SessionService>,
): Promise<{ ms: number; committedMs: number } | undefined> {
  const { now } = context;
  const window = context.window();
  let operation = window.begin('login', name);
  try {
    const session = await device.open(credentials);
    window.ok(operation);
    operation = window.begin('events', name);
    const streams = await Promise.all(Array.from({ length: streamsEach }, () => openStream(session)));
    window.ok(operation);
    const cut = Promise.all(streams.map(async (rest) => ((await untilCut(rest)) ? now() : undefined)));
    const began = now();
    operation = window.begin('revoke', `session ${session.id.slice(0, 12)}…`);
    await sessions.revokeSessions(
      {
        subject: { case: 'session', value: session.id },
        reason: 'a drill',
        wait: RevokeWait.COMMITTED,
      },
      { timeoutMs: commitMs },
    );
    const committedMs = now() - began;
    window.ok(operation);
    const ends = await cut;
    const last = Math.max(...ends.map((at) => at ?? Number.POSITIVE_INFINITY));
    if (last === Number.POSITIVE_INFINITY) {
      window.isWrong(`a stream of ${name} was open ${cutMs} ms after its revocation, or ended otherwise`);
      return undefined;
    }
    return { ms: last - began, committedMs };
  } catch (thrown) {
    window.failed(operation, thrown);
    return undefined;
  }
}

/** An event stream that has brought its first event. */
async function openStream(session: Session): Promise<AsyncIterator<Uint8Array>> {
  const response = await session.fetch('/events?every=500', { signal: AbortSignal.timeout(cutMs) });
  const pieces = response.body[Symbol.asyncIterator]();
  const first = await pieces.next();
  if (response.status !== 200 || first.done === true) {
    throw new SallyportError('BACKEND_FAILED', {
      message: `status ${response.status} from ${response.proxy}`,
    });
  }
  return pieces;
}

/** Whether it ended because its session had been revoked. */
async function untilCut(pieces: AsyncIterator<Uint8Array>): Promise<boolean> {
  try {
    while ((await pieces.next()).done !== true);
    return false;
  } catch (thrown) {
    return SallyportError.from(thrown).reason === 'SESSION_REVOKED';
  }
}
