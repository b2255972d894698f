import { SallyportError } from '#core/errors/error.ts';
import type { OpenIdToken } from '#gen/sallyport/channel/v1/channel_pb.js';
import type { Credentials, VerifyOptions } from '../directory/credentials.ts';
import type { User } from '../directory/users.ts';
import type { Enrolment } from '../keystore/enrolments.ts';
import { type PinDeps, verifyPin } from '../keystore/pins.ts';
import type { OidcFor, OidcVerifier } from '../oidc/oidc-verifier.ts';
import type { Limits } from '../throttle/limits.ts';

export interface VerifyUserDeps extends PinDeps {
  readonly credentials: Credentials;
  readonly oidc: OidcVerifier;
  readonly limits: Pick<Limits, 'devicePasswords'>;
}

/** What a device shows for its user; empty or absent: not shown. */
export interface Shown {
  readonly password: string;
  readonly pin: string;
  readonly openId?: OpenIdToken | undefined;
}

/** A user, and how it was proved. */
export interface Verified {
  readonly user: User;
  /** As in a session's record. */
  readonly amr: readonly string[];
}

/** Whom it has to be. */
export interface Claimed extends OidcFor {
  readonly user: string;
}

/**
 * Verifies all that is shown, which must be something, and must all be right.
 * @throws CREDENTIALS_INVALID, the same whatever it is that is wrong; THROTTLED, OVERLOADED, OIDC_UNREACHABLE
 */
export async function verifyUser(
  deps: VerifyUserDeps,
  enrolment: Enrolment,
  shown: Shown,
  options: VerifyOptions,
): Promise<Verified> {
  const { devicePasswords } = deps.limits;
  // Ahead of the hash, so that guesses made at once count as if made one after the other.
  devicePasswords.take(enrolment.routeKey);
  let verified: Verified | undefined;
  try {
    verified = await verify(deps, enrolment, shown, options);
  } catch (error) {
    devicePasswords.giveBack(enrolment.routeKey);
    throw error;
  }
  if (verified === undefined) throw new SallyportError('CREDENTIALS_INVALID');
  devicePasswords.forgive(enrolment.routeKey);
  return verified;
}

async function verify(
  deps: VerifyUserDeps,
  enrolment: Enrolment,
  { pin, ...shown }: Shown,
  options: VerifyOptions,
): Promise<Verified | undefined> {
  const proved = await prove(deps, { ...enrolment, kind: 'device' }, shown, { ...options, from: 'known' });
  if (proved === undefined) return undefined;
  const amr = [...proved.amr];
  if (pin !== '') {
    const { asOf: _, from: __, ...waiting } = options;
    if (!(await verifyPin(deps, enrolment, pin, waiting))) return undefined;
    amr.push('pin');
  }
  if (amr.length === 0) return undefined;
  const user = proved.user ?? (await deps.credentials.find(enrolment.user, options));
  return user && { user, amr };
}

/**
 * By password and ID token, as far as they are shown; undefined when something is wrong. The user is read where the
 * password was.
 * @throws OVERLOADED, OIDC_UNREACHABLE
 */
export async function prove(
  { credentials, oidc }: Pick<VerifyUserDeps, 'credentials' | 'oidc'>,
  claimed: Claimed,
  { password, openId }: Omit<Shown, 'pin'>,
  options: VerifyOptions,
): Promise<{ readonly user: User | undefined; readonly amr: readonly string[] } | undefined> {
  const amr: string[] = [];
  let user: User | undefined;
  if (password !== '') {
    // A device is one user's; another one's right password is no better there than a wrong one.
    user = await credentials.verify(claimed.user, password, options);
    if (user === undefined) return undefined;
    amr.push('pwd');
  }
  if (openId !== undefined) {
    const said = await oidc(openId, claimed);
    if (said?.user !== claimed.user) return undefined;
    amr.push('oidc', ...(said.strong ? ['mfa'] : []));
  }
  return { user, amr };
}
