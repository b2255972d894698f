import { SallyportError } from '#core/errors/error.ts';
import type {
  AuthorizeRequest,
  AuthorizeStreamRequest,
  ProxyAuthorize,
} from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import type { SessionRecord } from '../session/record.ts';
import type { Sessions } from '../session/sessions.ts';
import { requireRole } from './callers.ts';
import { type MakeGrant, requestFacts } from './grant.ts';
import type { GiveLease } from './leases.ts';
import { Outbox } from './outbox.ts';
import type { Subjects } from './subject.ts';

export interface AuthorizeDeps {
  readonly pod: string;
  readonly sessions: Pick<Sessions, 'get' | 'held' | 'touch'>;
  readonly subjects: Subjects;
  readonly grant: MakeGrant;
  readonly lease: GiveLease;
}

type AuthorizeHandlers = Handlers<typeof ProxyAuthorize>;

/** Questions of one stream that are being answered at a time. */
const maxInFlight = 1000;

/** Decides requests: for proxies by session, with a lease; for internal services by what they show. */
export function authorize(deps: AuthorizeDeps): Pick<AuthorizeHandlers, 'authorize' | 'authorizeStream'> {
  const find = (request: AuthorizeRequest, call: CallContext): Promise<SessionRecord> => {
    const { subject } = request;
    switch (subject.case) {
      case 'sessionId':
        requireRole(call, 'proxy');
        return deps.sessions.get(subject.value, { asked: 'unary', deadlineMs: call.deadlineMs });
      case 'assertion':
      case 'token':
        requireRole(call, 'proxy', 'service', 'backend', 'gateway', 'worker', 'operator');
        return subject.case === 'token'
          ? deps.subjects.ofToken(subject.value)
          : deps.subjects.ofAssertion(subject.value);
      default:
        throw new SallyportError('MALFORMED');
    }
  };

  const answer = async (record: SessionRecord, request: AuthorizeRequest, call: CallContext) => {
    deps.sessions.touch(record);
    const fromProxy = call.caller.role === 'proxy';
    const grant = await deps.grant(record, requestFacts(request.request, fromProxy));
    if (fromProxy && request.subject.case === 'sessionId') {
      return { grant, lease: deps.lease(record, call.caller.pod) };
    }
    return { grant };
  };

  const answerOnStream = async ({ id, request }: AuthorizeStreamRequest, call: CallContext) => {
    try {
      if (request?.subject.case !== 'sessionId') {
        throw new SallyportError('INVALID_FIELD', { message: 'on a stream the subject is a session id' });
      }
      const record = deps.sessions.held(request.subject.value);
      const value = await answer(record, request, call);
      return { id, pod: deps.pod, result: { case: 'response' as const, value } };
    } catch (error) {
      const { reason } = SallyportError.from(error);
      return { id, pod: deps.pod, result: { case: 'errorReason' as const, value: reason } };
    }
  };

  return {
    authorize: async (request, call) => answer(await find(request, call), request, call),

    authorizeStream: (requests, call) => {
      requireRole(call, 'proxy');
      const outbox = new Outbox<Awaited<ReturnType<typeof answerOnStream>>>(10 * maxInFlight);
      const read = async (): Promise<void> => {
        const inFlight = new Set<Promise<void>>();
        for await (const request of requests) {
          const done = answerOnStream(request, call).then((response) => {
            outbox.push(response);
            inFlight.delete(done);
          });
          inFlight.add(done);
          if (inFlight.size >= maxInFlight) await Promise.race(inFlight);
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
