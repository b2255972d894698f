import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { SallyportError } from '#core/errors/error.ts';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { routeKeyOfUser } from '#services/security/session/login.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { readPassword } from '../device/read-secret.ts';
import { runningMesh } from '../mesh/mesh-of-state.ts';
import type { Outcome } from '../report.ts';
import { timeText } from '../time-text.ts';
import { askEdges } from './ask-edge.ts';
import { logInAtProvider, type OpenIdOptions, requireOpenId } from './log-in-at-provider.ts';
import { type LoginFile, readLogin, removeLogin, writeLogin } from './login-file.ts';

export interface LoginOptions extends CommonOptions, OpenIdOptions {
  readonly passwordFile?: string;
  readonly edge?: readonly string[];
  readonly ca?: string;
}

/** `sallyport login` */
export async function runLogin(user: string, o: LoginOptions, command: CommandContext): Promise<Outcome> {
  const { stateDir, report, signal } = command;
  const places = placesOf(o, command);
  requireOpenId(o);
  const alone = o.oidc !== undefined && o.passwordFile === undefined;
  const password = alone ? '' : await readPassword(o.passwordFile, command);
  const at = { ...places, routeKey: routeKeyOfUser(user) };
  const openId = o.oidc === undefined ? undefined : await logInAtProvider(user, at, o, command);
  const answer = await askEdges(at, SessionService, (sessions) =>
    sessions.login({ user, password, ...(openId && { openId }) }, { signal }),
  ).catch((error: unknown) => {
    const { reason } = SallyportError.from(error);
    if (reason !== 'CREDENTIALS_INVALID' || openId === undefined) throw error;
    throw new SallyportError(reason, {
      message: `the mesh does not take what the OpenID provider says for ${user}`,
      hint: `is ${user} who logged in there, and a user here who is not disabled? What it says counts once, for some minutes: begin anew`,
      cause: error,
    });
  });
  const { token, routeKey, groups } = answer;
  const expiresAt = answer.expiresAt === undefined ? '' : timestampDate(answer.expiresAt).toISOString();
  writeLogin(stateDir, { format: 1, user, token, routeKey, expiresAt, ...places });
  report.say(
    `${user} is logged in until ${expiresAt}; commands speak for ${user} until \`sallyport logout\`.`,
  );
  return { ok: true, items: { user, groups, expiresAt } };
}

/** `sallyport logout` */
export async function runLogout({ stateDir, report, signal }: CommandContext): Promise<Outcome> {
  const login = readLogin(stateDir);
  if (login === undefined) {
    report.say('Nobody was logged in.');
    return { ok: true, items: { user: null } };
  }
  try {
    await askEdges(login, SessionService, (sessions) => sessions.logout({}, { signal }));
  } catch (error) {
    // It is over already.
    if (SallyportError.from(error).reason !== 'TOKEN_INVALID') throw error;
  }
  removeLogin(stateDir);
  report.say(`${login.user} is logged out.`);
  return { ok: true, items: { user: login.user } };
}

/** `sallyport whoami` */
export async function runWhoami({ stateDir, report, signal }: CommandContext): Promise<Outcome> {
  const login = readLogin(stateDir);
  if (login === undefined) {
    report.say('Nobody is logged in: commands use the certificate of the operator.');
    return { ok: true, items: { user: null } };
  }
  const { session } = await askEdges(login, SessionService, (sessions) =>
    sessions.getSession({}, { signal }),
  );
  if (session === undefined) throw new SallyportError('MALFORMED', { message: 'the answer has no session' });
  report.say(
    `${session.user}, in ${session.groups.join(', ') || 'no group'}, until ${timeText(session.expiresAt)}`,
  );
  return { ok: true, items: { user: session.user, groups: session.groups, handle: session.handle } };
}

/** The edges that are named, or those of the mesh that runs here. */
function placesOf(
  { edge, ca }: LoginOptions,
  { stateDir, cwd }: CommandContext,
): Pick<LoginFile, 'edgeUrls' | 'ca'> {
  const roots = ca === undefined ? undefined : readFileSync(resolve(cwd, ca), 'utf8');
  if (edge !== undefined) return { edgeUrls: [...edge], ...(roots !== undefined && { ca: roots }) };
  const mesh = runningMesh(stateDir);
  return { edgeUrls: [...mesh.edgeUrls], ca: roots ?? readFileSync(mesh.publicCa, 'utf8') };
}
