import { fromBinary } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import {
  type AuthorizeQuestion,
  type AuthorizeRequest,
  AuthorizeResponseSchema,
  type AuthorizeStreamRequest,
  type AuthorizeStreamResponseSchema,
  type ProxyAuthorize,
} from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import type { CallContext, Handlers, Response } from '#kernel/rpc/handlers.ts';
import { handleOf, type SessionRecord } from '../session/record.ts';
import type { Sessions } from '../session/sessions.ts';
import { requireRole } from './callers.ts';
import { type AnswerBytes, AnswersWriter, encodeResponse, grantBytes, leaseBytes } from './encode-answer.ts';
import type { GatewayAssignments } from './gateway-assignments.ts';
import { type Decided, type MakeGrant, requestFacts } from './grant.ts';
import type { lastLook } from './last-look.ts';
import type { LeaseLengths } from './lease-lengths.ts';
import type { GiveLease } from './leases.ts';
import { Outbox } from './outbox.ts';
import type { Subjects } from './subject.ts';

export interface AuthorizeDeps {
  readonly pod: string;
  readonly sessions: Pick<Sessions, 'known' | 'get' | 'held' | 'touch'>;
  readonly subjects: Subjects;
  readonly grant: MakeGrant;
  readonly gateways: Pick<GatewayAssignments, 'assign'>;
  /** Database time. */
  readonly now: () => number;
  readonly lease: GiveLease;
  readonly lengths: Pick<LeaseLengths, 'of'>;
  /** The site at which a proxy stands; undefined where there is one only. */
  readonly siteOf: (proxy: string) => string | undefined;
  /** The last look before an answer without a lease; giving one takes it, too. */
  readonly look: ReturnType<typeof lastLook>;
}

type AuthorizeHandlers = Handlers<typeof ProxyAuthorize>;
type AuthorizeAnswer = ReturnType<typeof encodeResponse>;
type StreamResponse = Response<typeof AuthorizeStreamResponseSchema>;

/** Questions of one stream that are being answered at a time. */
const maxInFlight = 1000;

/** Decides requests: for proxies by session, with a lease; for internal services by what they show. */
export function authorize(deps: AuthorizeDeps): Pick<AuthorizeHandlers, 'authorize' | 'authorizeStream'> {
  const { pod, sessions, subjects } = deps;
  const find = (
    request: AuthorizeRequest,
    call: CallContext,
    nowMs: number,
  ): Promise<SessionRecord> | SessionRecord => {
    const { subject } = request;
    switch (subject.case) {
      case 'sessionId':
        requireRole(call, 'proxy');
        return (
          sessions.known(subject.value, 'unary', nowMs) ??
          sessions.get(subject.value, { asked: 'unary', deadlineMs: call.deadlineMs })
        );
      case 'assertion':
      case 'token':
        requireRole(call, 'proxy', 'service', 'backend', 'gateway', 'worker', 'operator');
        return subject.case === 'token'
          ? subjects.ofToken(subject.value)
          : subjects.ofAssertion(subject.value);
      default:
        throw new SallyportError('MALFORMED');
    }
  };

  /** With the session's gateway, if the resource is reached through one. */
  const routed = (decided: Decided, record: SessionRecord, request: AuthorizeRequest): Decided => {
    const group = decided.grant.allow ? decided.resource?.gatewayGroup : undefined;
    if (group === undefined) return decided;
    return { ...decided, gateway: deps.gateways.assign(handleOf(record.id), group, request) };
  };

  /** For a proxy. */
  const decide = (
    record: SessionRecord,
    request: AuthorizeRequest,
    proxy: string,
    nowMs?: number,
  ): Decided | Promise<Decided> => {
    const leaseMs = deps.lengths.of(proxy);
    const decided = deps.grant(
      record,
      requestFacts(request.request, { site: deps.siteOf(proxy) }),
      nowMs,
      leaseMs,
    );
    return decided instanceof Promise
      ? decided.then((later) => routed(later, record, request))
      : routed(decided, record, request);
  };

  /** The end of an answer, without a wait in between: looks once more, and gives the lease. */
  const conclude = (
    record: SessionRecord,
    decided: Decided,
    leaseTo: string | undefined,
    nowMs?: number,
  ): AnswerBytes => {
    if (leaseTo === undefined) deps.look(record);
    const lease = leaseTo === undefined ? undefined : deps.lease(record, leaseTo, nowMs);
    return { grant: grantBytes(decided), lease: leaseBytes(record, lease) };
  };

  /** At once, unless something is to be signed first. */
  const answer = (
    record: SessionRecord,
    request: AuthorizeRequest,
    call: CallContext,
    nowMs?: number,
  ): AuthorizeAnswer | Promise<AuthorizeAnswer> => {
    const fromProxy = call.caller.role === 'proxy';
    const leaseTo = fromProxy && request.subject.case === 'sessionId' ? call.caller.pod : undefined;
    const decided = fromProxy
      ? decide(record, request, call.caller.pod, nowMs)
      : deps.grant(record, requestFacts(request.request, undefined), nowMs);
    return decided instanceof Promise
      ? decided.then((later) => encodeResponse(conclude(record, later, leaseTo)))
      : encodeResponse(conclude(record, decided, leaseTo, nowMs));
  };

  /** The same on a stream. @throws NOT_HELD and what ends a session */
  const answerHeld = (
    request: AuthorizeRequest | undefined,
    proxy: string,
    nowMs: number,
  ): AnswerBytes | Promise<AnswerBytes> => {
    if (request?.subject.case !== 'sessionId') {
      throw new SallyportError('INVALID_FIELD', { message: 'on a stream the subject is a session id' });
    }
    const record = sessions.held(request.subject.value, nowMs);
    const decided = decide(record, request, proxy, nowMs);
    return decided instanceof Promise
      ? decided.then((later) => conclude(record, later, proxy))
      : conclude(record, decided, proxy, nowMs);
  };

  /** What can be answered at once in one message; the rest, each when it is signed. */
  const answerAll = (
    questions: readonly AuthorizeQuestion[],
    proxy: string,
    say: (response: StreamResponse) => void,
  ): Promise<void>[] => {
    const later: Promise<void>[] = [];
    // Once for all: reading clocks costs a good part of an answer. Whether the feed is fresh is looked at for each.
    const nowMs = deps.now();
    const answers = new AnswersWriter(pod);
    for (const { id, request } of questions) {
      try {
        const answer = answerHeld(request, proxy, nowMs);
        if (answer instanceof Promise) later.push(sayLater(id, answer, say));
        else answers.add(id, answer);
      } catch (error) {
        answers.fail(id, SallyportError.from(error).reason);
      }
    }
    if (answers.count > 0) say(answers.finish());
    return later;
  };

  const sayLater = async (
    id: bigint,
    answer: Promise<AnswerBytes>,
    say: (response: StreamResponse) => void,
  ): Promise<void> => {
    const answers = new AnswersWriter(pod);
    try {
      answers.add(id, await answer);
    } catch (error) {
      answers.fail(id, SallyportError.from(error).reason);
    }
    say(answers.finish());
  };

  const answerOne = async (
    { id, request }: AuthorizeStreamRequest,
    proxy: string,
  ): Promise<StreamResponse> => {
    try {
      const { bytes } = encodeResponse(await answerHeld(request, proxy, deps.now()));
      const value = fromBinary(AuthorizeResponseSchema, bytes);
      return { id, pod, result: { case: 'response', value } };
    } catch (error) {
      const { reason } = SallyportError.from(error);
      return { id, pod, result: { case: 'errorReason', value: reason } };
    }
  };

  return {
    authorize: (request, call) => {
      const nowMs = deps.now();
      const found = find(request, call, nowMs);
      if (!(found instanceof Promise)) return answer(found, request, call, nowMs);
      return found.then((record) => {
        sessions.touch(record);
        return answer(record, request, call);
      });
    },

    authorizeStream: (requests, call) => {
      requireRole(call, 'proxy');
      const proxy = call.caller.pod;
      const outbox = new Outbox<StreamResponse>(10 * maxInFlight);
      const say = (response: StreamResponse): void => outbox.push(response);
      const read = async (): Promise<void> => {
        const inFlight = new Set<Promise<void>>();
        for await (const message of requests) {
          // A message of the first kind, or one that says nothing, which is refused by its number.
          const alone = message.request !== undefined || message.questions.length === 0;
          const later = alone ? [answerOne(message, proxy).then(say)] : [];
          later.push(...answerAll(message.questions, proxy, say));
          for (const each of later) {
            const done = each.finally(() => inFlight.delete(done));
            inFlight.add(done);
          }
          while (inFlight.size >= maxInFlight) await Promise.race(inFlight);
        }
        await Promise.all(inFlight);
      };
      read().then(
        () => outbox.end(),
        (error) => outbox.fail(error),
      );
      return outbox;
    },
  };
}
