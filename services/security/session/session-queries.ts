import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { SallyportError } from '#core/errors/error.ts';
import {
  type ListSessionsRequest,
  type RevokeSessionsRequest,
  type SessionService,
  SessionState,
} from '#gen/sallyport/session/v1/session_pb.js';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { type Administrator, type Administrators, requireRank } from '../authorize/administrators.ts';
import { canonicalUser } from '../directory/users.ts';
import { announced } from '../feed/announced.ts';
import type { Feed, NewRevocation } from '../feed/feed.ts';
import { bearerToken, sessionOfToken } from './people-token.ts';
import { handleOf } from './record.ts';
import { infoOf, type SessionInfoRow } from './session-info.ts';
import type { SessionStore } from './session-store.ts';
import type { Sessions } from './sessions.ts';

export interface SessionQueriesDeps {
  readonly pod: string;
  readonly era: number;
  readonly sessions: Sessions;
  /** What there is to list: the database's, or with persistence off this pod's own. */
  readonly list: Pick<SessionStore, 'list' | 'info'>;
  readonly feed: Pick<Feed, 'isRevoked' | 'append' | 'announce'>;
  readonly admins: Administrators;
  readonly clock: Clock;
  /** Database time. */
  readonly now: () => number;
}

type SessionHandlers = Handlers<typeof SessionService>;

const defaultPage = 100;
/** Pages that one call reads to fill its own, when many sessions are filtered out. */
const maxReads = 10;

/** What operators, internal services and people see of sessions, and how operators end them. */
export function sessionQueries(
  deps: SessionQueriesDeps,
): Pick<SessionHandlers, 'getSession' | 'listSessions' | 'revokeSessions'> {
  const show = (row: SessionInfoRow) => ({
    handle: row.handle,
    routeKey: row.routeKey,
    user: row.user,
    deviceId: row.deviceId,
    groups: [...row.groups],
    appId: row.appId,
    appVersion: row.appVersion,
    platform: row.platform,
    openedAt: timestampFromMs(row.openedAtMs),
    expiresAt: timestampFromMs(row.expiresAtMs),
    lastSeenAt: timestampFromMs(row.lastSeenMs),
    pod: deps.pod,
    state: stateOf(deps, row),
  });

  return {
    getSession: async ({ sessionId }, call) => {
      if (sessionId === '') {
        return { session: show(infoOf(await sessionOfToken(deps.sessions, bearerToken(call)))) };
      }
      await admit(deps, call);
      if (isHandle(sessionId)) {
        const row = await deps.list.info(sessionId);
        if (row === undefined) throw new SallyportError('SESSION_UNKNOWN');
        return { session: show(row) };
      }
      return { session: show(infoOf(await deps.sessions.get(sessionId))) };
    },

    listSessions: async (request, call) => {
      await admit(deps, call);
      const { rows, next } = await readPage(deps, request);
      return { sessions: rows.map(show), nextPageToken: next };
    },

    revokeSessions: async (request, call) => {
      const by = await admit(deps, call);
      const entry = revocationOf(request);
      if (entry.kind === 'everybody' && by !== undefined)
        requireRank(by, 'operator', "ending everybody's sessions");
      const position = await deps.feed.append(entry, undefined, held(call));
      return announced(deps, position, request.wait, call);
    },
  };
}

/** Undefined for what is no person: services of the inside. @throws CALLER_NOT_ALLOWED, TOKEN_INVALID */
async function admit(
  { admins }: Pick<SessionQueriesDeps, 'admins'>,
  call: CallContext,
): Promise<Administrator | undefined> {
  const { role } = call.caller;
  return role === 'service' || role === 'security' ? undefined : admins.admit(call);
}

function revocationOf({ subject, reason }: RevokeSessionsRequest): NewRevocation {
  switch (subject.case) {
    case 'session':
      return {
        kind: 'session',
        subject: isHandle(subject.value) ? subject.value : handleOf(subject.value),
        reason,
      };
    case 'deviceId':
      return { kind: 'device', subject: subject.value, reason };
    case 'user':
      return { kind: 'user', subject: canonicalUser(subject.value), reason };
    case 'everybody':
      return { kind: 'everybody', subject: '', reason };
    default:
      throw new SallyportError('MALFORMED');
  }
}

/** `<route key>.<opener>.<random>`; an id has a fourth part, its MAC. */
function isHandle(text: string): boolean {
  return text.split('.').length === 3;
}

function stateOf(deps: SessionQueriesDeps, row: SessionInfoRow): SessionState {
  const revoked = { ...row, id: `${row.handle}.` };
  if (row.endedAtMs !== undefined || row.era !== deps.era || deps.feed.isRevoked(revoked)) {
    return SessionState.REVOKED;
  }
  return row.expiresAtMs <= deps.now() ? SessionState.EXPIRED : SessionState.LIVE;
}

async function readPage(deps: SessionQueriesDeps, request: ListSessionsRequest) {
  const limit = request.pageSize === 0 ? defaultPage : request.pageSize;
  const rows: SessionInfoRow[] = [];
  let after = request.pageToken === '' ? undefined : decodeToken(request.pageToken);
  let more = true;
  for (let reads = 0; more && rows.length < limit && reads < maxReads; reads++) {
    const found = await deps.list.list({
      ...(request.user === '' ? {} : { user: canonicalUser(request.user) }),
      ...(request.deviceId === '' ? {} : { deviceId: request.deviceId }),
      ...(after === undefined ? {} : { after }),
      liveOnly: !request.includeEnded,
      limit: limit - rows.length,
    });
    more = found.length === limit - rows.length;
    const last = found.at(-1);
    if (last !== undefined) after = { openedAtMs: last.openedAtMs, handle: last.handle };
    // What the feed has ended is not marked in its row: a user may have a million sessions.
    rows.push(...found.filter((row) => request.includeEnded || stateOf(deps, row) === SessionState.LIVE));
  }
  return { rows, next: more && after !== undefined ? `${after.openedAtMs} ${after.handle}` : '' };
}

function decodeToken(token: string): { openedAtMs: number; handle: string } {
  const [, time, handle] = /^(\d{1,15}) ([A-Za-z0-9._-]{1,140})$/.exec(token) ?? [];
  if (time === undefined || handle === undefined) {
    throw new SallyportError('INVALID_FIELD', { message: 'page_token is not one that this service gave' });
  }
  return { openedAtMs: Number(time), handle };
}
