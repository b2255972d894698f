/**
 * What a decision is made from: the session, the app it was opened from, and the request inside the
 * sealed channel. Plain values, so that a proxy can build them from a lease and a dry run from a log.
 */

export interface AppContext {
  /** `ios`, `android`, `web`, … in lower case. */
  readonly platform: string;
  readonly appId: string;
  /** As the app says it, for example `1.2.0-beta.3`; see `parseVersion`. */
  readonly version: string;
  /** SHA-256 of the signing certificate, 64 lower-case hexadecimal digits; empty where there is none. */
  readonly certDigest: string;
  readonly osVersion: string;
  /** Claims by name. A claim that came as text (`"true"`, `"3"`) counts like the value that it spells. */
  readonly posture: Readonly<Record<string, string | number | boolean>>;
}

export interface SessionFacts {
  readonly user: string;
  readonly groups: readonly string[];
  /** Empty for people's sessions. */
  readonly deviceId: string;
  /** Unix milliseconds from which the session is over. */
  readonly expiresAt: number;
  /** How strongly the user has proved who they are: 0 nothing asked, 1 password, 2 second factor. */
  readonly authLevel: number;
  /** Absent for people's sessions, which have no enrolled app. */
  readonly app?: AppContext | undefined;
}

export interface RequestFacts {
  /** HTTP method as it is sent (case-sensitive, RFC 9110 §9.1). */
  readonly method: string;
  /** Host with optional port, or the name of a resource. */
  readonly authority: string;
  /** Path, with or without a query. */
  readonly path: string;
  /** IP address of the phone as the edge saw it, without port; absent where nobody knows it. */
  readonly clientAddress?: string | undefined;
  /** Name of the site whose proxy it came to; absent where there are no sites, or no proxy asks. */
  readonly site?: string | undefined;
}

/**
 * A frozen copy. What a session may do is worked out once for a frozen one and remembered with it;
 * for one that could still change it is worked out at each decision.
 */
export function freezeSession(session: SessionFacts): SessionFacts {
  const { app } = session;
  return Object.freeze({
    ...session,
    groups: Object.freeze([...session.groups]),
    app: app && Object.freeze({ ...app, posture: Object.freeze({ ...app.posture }) }),
  });
}

/** Whether nothing that a decision reads from these can change any more. */
export function isFrozenThroughout(session: SessionFacts, app: AppContext | undefined): boolean {
  return (
    Object.isFrozen(session) &&
    Object.isFrozen(session.groups) &&
    (app === undefined || (Object.isFrozen(app) && Object.isFrozen(app.posture)))
  );
}
