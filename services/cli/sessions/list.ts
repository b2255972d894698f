import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext } from '../command.ts';
import { type ListOptions, readList, showList } from '../list.ts';
import type { Outcome } from '../report.ts';
import { timeText } from '../time-text.ts';
import { sessionJson, stateText } from './session-text.ts';

export interface SessionListOptions extends ListOptions {
  readonly user?: string;
  readonly device?: string;
  readonly ended?: boolean;
}

/** `sallyport sessions list` */
export async function runSessionList(o: SessionListOptions, command: CommandContext): Promise<Outcome> {
  const { signal } = command;
  const list = await readList(o, command, (page) =>
    askTier(command, SessionService, async (service) => {
      const filter = { user: o.user ?? '', deviceId: o.device ?? '', includeEnded: o.ended === true };
      const { sessions, nextPageToken } = await service.listSessions({ ...filter, ...page }, { signal });
      return { entries: sessions, next: nextPageToken };
    }),
  );
  return showList(command, list, {
    what: ['session', 'sessions'],
    head: ['user', 'state', 'opened', 'expires', 'last seen', 'device', 'handle'],
    row: (session) => [
      session.user,
      stateText(session),
      timeText(session.openedAt),
      timeText(session.expiresAt),
      timeText(session.lastSeenAt),
      session.deviceId || '-',
      session.handle,
    ],
    json: sessionJson,
  });
}
