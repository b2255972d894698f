import { SallyportError } from '#core/errors/error.ts';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext } from '../command.ts';
import type { Outcome } from '../report.ts';
import { table } from '../table.ts';
import { timeText } from '../time-text.ts';
import { sessionJson, stateText } from './session-text.ts';

/** `sallyport sessions show` */
export async function runSessionShow(handle: string, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const { session } = await askTier(command, SessionService, (service) =>
    service.getSession({ sessionId: handle }, { signal }),
  );
  if (session === undefined) throw new SallyportError('MALFORMED', { message: 'the answer has no session' });
  const app = [session.appId, session.appVersion, session.platform].filter((part) => part !== '').join(' ');
  const [, ...lines] = table(
    ['', ''],
    [
      ['handle', session.handle],
      ['user', session.user],
      ['groups', session.groups.join(', ') || '-'],
      ['state', stateText(session)],
      ['device', session.deviceId || '-'],
      ['app', app || '-'],
      ['route key', session.routeKey],
      ['opened', timeText(session.openedAt)],
      ['expires', timeText(session.expiresAt)],
      ['last seen', timeText(session.lastSeenAt)],
      ['told by', session.pod],
    ],
  );
  for (const line of lines) report.say(line);
  return { ok: true, items: { session: sessionJson(session) } };
}
