import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { beginOidc, completeOidc, discoverOidc, type OpenIdCredential } from '#sdk/oidc.ts';
import type { CommandContext } from '../command.ts';
import { UsageError } from '../failure.ts';
import { askEdges } from './ask-edge.ts';
import type { LoginFile } from './login-file.ts';
import { openLoopback } from './loopback.ts';

export interface OpenIdOptions {
  /** The issuer; true: the only one. */
  readonly oidc?: string | true;
  readonly param?: readonly string[];
  readonly port?: number;
  /** Seconds. */
  readonly wait?: number;
}

type At = Pick<LoginFile, 'edgeUrls' | 'ca' | 'routeKey'>;

/** @throws UsageError when there is something for a provider and none is to be asked */
export function requireOpenId({ oidc, param, port, wait }: OpenIdOptions): void {
  if (oidc !== undefined || (param ?? port ?? wait) === undefined) return;
  throw new UsageError('--param, --port and --wait are for logging in by OpenID Connect', 'add --oidc');
}

/**
 * Gets an ID token as native apps do (RFC 8252): the person's browser goes to the provider and comes back to a
 * listener on the loopback interface. The token is good for this user's log-in only.
 * @throws UsageError; CREDENTIALS_INVALID when the provider says no; UNAVAILABLE; DEADLINE when nobody comes back
 */
export async function logInAtProvider(
  user: string,
  at: At,
  { oidc, param = [], port = 0, wait = 300 }: OpenIdOptions,
  { clock, report, signal }: CommandContext,
): Promise<OpenIdCredential> {
  const extra = Object.fromEntries(param.map(readParameter));
  const { issuer, clientId } = await providerOf(at, oidc === true ? undefined : oidc, signal);
  const found = await discoverOidc(issuer, { signal });
  const loopback = await openLoopback(port, clock);
  try {
    const client = { ...found, clientId, redirectUri: loopback.redirectUri };
    const attempt = beginOidc(client, at.routeKey, { login_hint: user, ...extra });
    report.say(`Open this in a browser on this machine, within ${wait} s:\n\n  ${attempt.url}\n`);
    const callback = await loopback.answerTo(attempt.state, { waitMs: wait * 1000, signal });
    return await completeOidc(client, attempt, callback, { signal });
  } finally {
    await loopback.close();
  }
}

/** Of those that the mesh takes. @throws UsageError */
async function providerOf(
  at: At,
  issuer: string | undefined,
  signal: AbortSignal,
): Promise<{ issuer: string; clientId: string }> {
  const { providers } = await askEdges(at, SessionService, (sessions) =>
    sessions.listOpenIdProviders({}, { signal }),
  );
  const known = providers.map((each) => each.issuer).join(', ');
  if (providers.length === 0) {
    throw new UsageError(
      'nobody logs in by OpenID Connect at this mesh',
      'security pods want a peopleClientId in `oidc` (docs/CONFIG.md); or leave --oidc out',
    );
  }
  const found = providers.filter((each) => issuer === undefined || each.issuer === issuer);
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const why = only === undefined ? `does not take ${issuer}` : 'takes several OpenID providers';
  throw new UsageError(`the mesh ${why}`, `name one with --oidc: ${known}`);
}

function readParameter(text: string): readonly [string, string] {
  const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(text) ?? [];
  if (name !== undefined && value !== undefined) return [name, value];
  throw new UsageError(`--param ${text} is not name=value`, 'write it as in --param acr_values=mfa');
}
