import { SallyportError } from '#core/errors/error.ts';
import type { ProxyAuthorize, WatchRequest } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import type { Logger } from '#kernel/log/logger.ts';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { Revocation } from '../feed/feed.ts';
import type { Freshness } from '../feed/freshness.ts';
import type { RevocationFeed } from '../feed/revocation-feed.ts';
import { wireEntry } from '../feed/wire-entry.ts';
import type { Joined } from '../members/membership-store.ts';
import { requireOwnName, requireRole } from './callers.ts';
import type { LeaseBook } from './lease-book.ts';
import { Outbox } from './outbox.ts';
import type { CurrentPolicy, PolicyStore } from './policy-store.ts';

export interface WatchDeps {
  readonly pod: string;
  readonly joined: Joined;
  readonly feed: Pick<RevocationFeed, 'position' | 'entriesAfter' | 'subscribe'>;
  readonly freshness: Pick<Freshness, 'fresh'>;
  readonly policies: Pick<PolicyStore, 'current' | 'subscribe'>;
  readonly book: LeaseBook;
  readonly clock: Clock;
  readonly log: Logger;
}

type WatchHandler = Handlers<typeof ProxyAuthorize>['watch'];
type Response = ReturnType<WatchHandler> extends AsyncIterable<infer R> ? R : never;

/** Messages that may wait for a slow proxy. */
const maxWaiting = 10_000;
/** Milliseconds between heartbeats. */
const heartbeatMs = 1000;

/** Tells a proxy at once what ends and what it is to decide by, and notes how far it has followed. */
export function watch(deps: WatchDeps): WatchHandler {
  return async function* (requests, call) {
    requireRole(call, 'proxy');
    const incoming = requests[Symbol.asyncIterator]();
    const { proxy, position, policyVersion } = startOf((await incoming.next()).value, call);
    const { pod, joined, feed, policies, book, clock, log } = deps;
    const outbox = new Outbox<Response>(maxWaiting);
    const tell = (entry: Revocation): void =>
      outbox.push({ kind: { case: 'revocation', value: wireEntry(entry) } });
    const decideBy = (current: CurrentPolicy): void => outbox.push(policyMessage(current));

    outbox.push({
      kind: { case: 'hello', value: { pod, incarnation: joined.incarnation, era: joined.era } },
    });
    if (policies.current.policy.version > policyVersion) decideBy(policies.current);
    for (const entry of missedSince(feed, position)) tell(entry);
    book.restart(proxy, position);
    const stops = [feed.subscribe(tell), policies.subscribe(decideBy)];
    const heartbeat = clock.setRepeating(heartbeatMs, () => {
      if (!deps.freshness.fresh) return;
      outbox.push({ kind: { case: 'heartbeat', value: { position: BigInt(feed.position) } } });
    });
    const end = (): void => outbox.fail(call.signal.reason);
    call.signal.addEventListener('abort', end, { once: true });
    followAcknowledgements(incoming, (acknowledged) => book.acknowledge(proxy, acknowledged)).then(
      () => outbox.end(),
      (error) => outbox.fail(error),
    );
    log.info({ proxy, position }, 'a proxy watches');
    try {
      yield* outbox;
    } finally {
      for (const stop of stops) stop();
      heartbeat.cancel();
      call.signal.removeEventListener('abort', end);
      log.info({ proxy }, 'a proxy no longer watches');
    }
  };
}

interface Start {
  readonly proxy: string;
  readonly position: number;
  readonly policyVersion: number;
}

function startOf(first: WatchRequest | undefined, call: CallContext): Start {
  if (first?.kind.case !== 'start') {
    throw new SallyportError('INVALID_FIELD', { message: 'the first message of a Watch is its start' });
  }
  const { proxy, position, policyVersion } = first.kind.value;
  requireOwnName(call, proxy);
  return { proxy, position: Number(position), policyVersion: Number(policyVersion) };
}

/** Entries that a proxy has not carried out; if they are no longer at hand, one that ends all it may hold. */
function missedSince(feed: WatchDeps['feed'], position: number): readonly Revocation[] {
  // A proxy that has carried out nothing yet holds nothing either.
  if (position === 0) return [];
  const missed = feed.entriesAfter(position);
  if (missed !== undefined) return missed;
  const reason = 'the proxy was away for too long';
  return [{ position: feed.position, kind: 'everybody', subject: '', committedAtMs: 0, reason }];
}

async function followAcknowledgements(
  incoming: AsyncIterator<WatchRequest>,
  acknowledge: (position: number) => void,
): Promise<void> {
  for (;;) {
    const { value, done } = await incoming.next();
    if (done === true) return;
    const { kind } = value;
    if (kind.case !== 'acknowledgedPosition') {
      throw new SallyportError('INVALID_FIELD', { message: 'a Watch begins only once' });
    }
    acknowledge(Number(kind.value));
  }
}

function policyMessage({ policy, documentJson }: CurrentPolicy): Response {
  return { kind: { case: 'policy', value: { version: BigInt(policy.version), documentJson } } };
}
