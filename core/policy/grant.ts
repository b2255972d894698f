/**
 * Why a request was allowed or denied. From NO_RULE on they are ordered as the conditions of a rule are
 * tried, so a later one is a nearer miss; the nearest of all rules is what a denied user is told.
 */
export const grantReasons = [
  'ALLOWED',
  'SESSION_EXPIRED',
  'NO_RESOURCE',
  'DENIED_BY_RULE',
  /** No allow rule names this user or one of the groups. */
  'NO_RULE',
  'PLATFORM',
  'APP_NOT_ALLOWED',
  /** The app has the right id and the wrong signing certificate. */
  'APP_CERTIFICATE',
  'APP_TOO_OLD',
  'APP_TOO_NEW',
  'APP_BLOCKED',
  'OS_TOO_OLD',
  'OS_TOO_NEW',
  'POSTURE',
  'METHOD',
  'NETWORK',
  'SITE',
  'TIME',
  /** All else holds: the user gets in by proving more strongly who they are. */
  'STEP_UP',
] as const;
export type GrantReason = (typeof grantReasons)[number];

/** The answer to one request. Frozen; equal decisions may be the same object. */
export interface Grant {
  readonly allow: boolean;
  readonly reason: GrantReason;
  /** The rule that decided, or with a deny the one that came nearest. */
  readonly rule: string | undefined;
  readonly resource: string | undefined;
  /** One sentence for people. Names no group and no other user. */
  readonly explain: string;
  readonly policyVersion: number;
  /** The app is none that the policy takes sessions from: `reason` says why, and this one is over. */
  readonly endsSession: boolean;
  /** Unix milliseconds, exclusive: until then the same question has the same answer. */
  readonly validUntil: number;
}

const nearness: ReadonlyMap<GrantReason, number> = new Map(
  grantReasons.map((reason, index) => [reason, index]),
);

/** Whether a rule that failed by `reason` came nearer to matching than one that failed by `than`. */
export function isNearer(reason: GrantReason, than: GrantReason): boolean {
  return (nearness.get(reason) ?? 0) > (nearness.get(than) ?? 0);
}
