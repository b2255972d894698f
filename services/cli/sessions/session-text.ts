import { toJson } from '@bufbuild/protobuf';
import { type SessionInfo, SessionInfoSchema, SessionState } from '#gen/sallyport/session/v1/session_pb.js';

const states: Readonly<Record<SessionState, string>> = {
  [SessionState.UNSPECIFIED]: '?',
  [SessionState.LIVE]: 'live',
  [SessionState.EXPIRED]: 'expired',
  [SessionState.REVOKED]: 'revoked',
};

export const stateText = (session: SessionInfo): string => states[session.state] ?? '?';

/** As in the contract's JSON, every field of it. */
export const sessionJson = (session: SessionInfo): unknown =>
  toJson(SessionInfoSchema, session, { alwaysEmitImplicit: true });
