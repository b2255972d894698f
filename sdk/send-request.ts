import { SallyportError } from '../core/errors/error.ts';
import type { Attacher } from './attacher.ts';
import { pauseMs } from './call-edges.ts';
import { within } from './deadline.ts';
import type { SdkListener } from './events.ts';
import { endsSession } from './failure.ts';
import type { Link, Outcome } from './link.ts';
import type { Platform } from './platform.ts';
import { probeTimeoutMs, provenForMs } from './probe.ts';
import { judge, unknownOutcome } from './repeat.ts';
import type { PreparedRequest } from './request.ts';

export interface SendDeps {
  readonly attacher: Pick<Attacher, 'link' | 'retire' | 'avoid' | 'seekBeside' | 'stay' | 'end' | 'state'>;
  readonly platform: Platform;
  readonly listener: SdkListener | undefined;
}

/** Reasons for which a proxy, or an edge, is not to be asked again. */
const leaves: ReadonlySet<string> = new Set(['ATTACH_REQUIRED', 'EDGE_LEAVING']);

/**
 * Times in a row that one proxy may say of a request that it has no lease and gets none. Once is a pod that is being
 * replaced; then the proxy, or its host, cannot reach the tier, and others perhaps can.
 */
const leaseless = 2;

export type Answer = Extract<Outcome, { at: 'answered' }> & { readonly proxy: string };

/** Sends a request until it is answered, as often as `judge` allows and the signal's deadline lasts. */
export async function sendRequest(
  deps: SendDeps,
  request: PreparedRequest,
  signal: AbortSignal,
): Promise<Answer> {
  const { attacher, platform, listener } = deps;
  let last: SallyportError | undefined;
  let without = { lease: 0, at: undefined as Link | undefined };
  for (let attempt = 0; ; attempt++) {
    const link = await readyLink(deps, request, signal).catch((thrown: unknown) => {
      // Why it had to be sent again says more than that there was no time for it.
      throw signal.aborted && last && !cancelled(signal) ? last : thrown;
    });
    const outcome = await link.send(request, signal);
    if (outcome.at === 'answered') {
      if (without.at === link) attacher.stay(link);
      return { ...outcome, proxy: link.proxy };
    }
    if (signal.aborted) throw outOfTime(request, outcome, signal, last);
    const verdict = judge(request, outcome);
    if (leaves.has(outcome.error.reason)) attacher.retire(link, outcome.error);
    if (outcome.error.reason === 'LEASE_LOST') {
      without = { lease: without.at === link ? without.lease + 1 : 1, at: link };
      if (without.lease >= leaseless) attacher.seekBeside(link, outcome.error);
    }
    if (endsSession(outcome.error)) attacher.end(outcome.error);
    if (verdict.do === 'throw') throw verdict.error;
    last = verdict.because;
    // A lost link is replaced at once: attaching has pauses of its own.
    const replaced = attacher.state === 'detached' || leaves.has(last.reason);
    const pause = attempt === 0 && replaced ? 0 : pauseMs(platform, attempt, last);
    try {
      await platform.sleep(pause, signal);
    } catch {
      throw cancelled(signal) ? signal.reason : last;
    }
    listener?.({ type: 'repeating', requestId: request.id, attempt: attempt + 2, reason: last.reason });
  }
}

/** A link that is good enough for the request: for one that cannot be sent twice, one that has just spoken. */
async function readyLink(deps: SendDeps, request: PreparedRequest, signal: AbortSignal): Promise<Link> {
  const { attacher, platform } = deps;
  for (;;) {
    const link = await attacher.link(signal, request.traceparent);
    const once = !request.idempotent || !request.body.replayable;
    if (!once || platform.monotonic() - link.provenAt < provenForMs) return link;
    const asked = platform.monotonic();
    try {
      await within(platform, probeTimeoutMs, 'the proxy’s sign of life', signal, (end) => link.prove(end));
      return link;
    } catch (thrown) {
      if (signal.aborted) throw signal.reason;
      // It is slow with this answer, and has said other things meanwhile: to leave it, with all that goes on over
      // it, would only give a busy mesh more to do.
      if (link.lost === undefined && link.provenAt >= asked) return link;
      const error = SallyportError.from(thrown);
      // It may be the edge that is silent, with the connection to it: the next link does not begin there.
      attacher.avoid(link, error);
      link.suspect(error);
    }
  }
}

function cancelled(signal: AbortSignal): boolean {
  return SallyportError.from(signal.reason).reason === 'CANCELLED';
}

function outOfTime(
  request: PreparedRequest,
  outcome: Exclude<Outcome, { at: 'answered' }>,
  signal: AbortSignal,
  last: SallyportError | undefined,
): SallyportError {
  const error = SallyportError.from(signal.reason);
  if (cancelled(signal)) return error;
  if (outcome.at !== 'refused' && !request.idempotent) return unknownOutcome(request, error);
  return last ?? error;
}
