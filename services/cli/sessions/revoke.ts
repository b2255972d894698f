import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { UsageError } from '../failure.ts';
import type { Outcome } from '../report.ts';
import { committedMs, type WaitOption, waitFor } from './wait.ts';

export interface SessionRevokeOptions extends CommonOptions, WaitOption {
  readonly user?: string;
  readonly device?: string;
  readonly everybody?: boolean;
  readonly reason: string;
}

type Subject =
  | { readonly case: 'session' | 'user' | 'deviceId'; readonly value: string }
  | { readonly case: 'everybody'; readonly value: true };

/** `sallyport sessions revoke` */
export async function runSessionRevoke(
  options: SessionRevokeOptions,
  command: CommandContext,
  handle: string | undefined,
): Promise<Outcome> {
  const subject = subjectOf(options, handle);
  const known = await knownSessions(subject, command);
  const ending = waitFor(options.wait, command);
  const outcome = ending.outcome(
    await askTier(command, SessionService, (service) =>
      service.revokeSessions({ subject, reason: options.reason, wait: ending.wire }, ending.call),
    ),
  );
  if (known === undefined) return outcome;
  command.report.say(known.text);
  return { ...outcome, items: { ...outcome.items, sessions: known.count } };
}

/** How many sessions that ends, as far as the tier lists them: who mistypes a name is to see that it was none. */
async function knownSessions(
  subject: Subject,
  command: CommandContext,
): Promise<{ readonly count: number; readonly text: string } | undefined> {
  // @throws SESSION_UNKNOWN, before anything is revoked
  if (subject.case === 'session') {
    await askTier(command, SessionService, (service) =>
      service.getSession({ sessionId: subject.value }, { signal: command.signal, timeoutMs: committedMs }),
    );
    return undefined;
  }
  if (subject.case === 'everybody') return undefined;
  const { sessions, nextPageToken } = await askTier(command, SessionService, (service) =>
    service.listSessions(
      {
        ...(subject.case === 'user' ? { user: subject.value } : { deviceId: subject.value }),
        pageSize: 1000,
      },
      { signal: command.signal, timeoutMs: committedMs },
    ),
  );
  const count = sessions.length;
  const whose = subject.case === 'user' ? subject.value : `device ${subject.value}`;
  if (count === 0) return { count, text: `${whose} had no session: is the name right?` };
  const many = nextPageToken === '' ? String(count) : `more than ${count}`;
  return { count, text: `${whose} had ${many} session${count === 1 ? '' : 's'}.` };
}

function subjectOf({ user, device, everybody }: SessionRevokeOptions, handle: string | undefined): Subject {
  const given: Subject[] = [];
  if (handle !== undefined) given.push({ case: 'session', value: handle });
  if (user !== undefined) given.push({ case: 'user', value: user });
  if (device !== undefined) given.push({ case: 'deviceId', value: device });
  if (everybody) given.push({ case: 'everybody', value: true });
  const [subject, another] = given;
  if (subject !== undefined && another === undefined) return subject;
  throw new UsageError(
    subject === undefined ? 'it is not said which sessions' : 'it is said twice which sessions',
    'name one of: the handle of a session, --user, --device, --everybody',
  );
}
