import type { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import type { Handlers } from '#kernel/rpc/handlers.ts';
import { type EnrollDeps, enroll } from './enroll.ts';
import { type LoginDeps, people } from './login.ts';
import { type OpenSessionDeps, openSession } from './open-session.ts';
import { type SessionMessageDeps, sessionMessages } from './session-messages.ts';
import { type SessionQueriesDeps, sessionQueries } from './session-queries.ts';

export interface SessionServiceDeps {
  readonly enroll: EnrollDeps;
  readonly openSession: OpenSessionDeps;
  readonly messages: SessionMessageDeps;
  readonly people: LoginDeps;
  readonly queries: SessionQueriesDeps;
}

/** SessionService, put together. */
export function sessionService(deps: SessionServiceDeps): Handlers<typeof SessionService> {
  return {
    enroll: enroll(deps.enroll),
    openSession: openSession(deps.openSession),
    ...sessionMessages(deps.messages),
    ...people(deps.people),
    ...sessionQueries(deps.queries),
  };
}
