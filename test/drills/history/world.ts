import type { Complete, Invoke, InvokeOf } from './schema.ts';

/** What is known of a session: it may cover more than one revocation's target. */
export interface KnownSession {
  readonly id: string;
  readonly user: string;
  readonly enrolment?: string;
  /** When the login was invoked and completed. */
  readonly from: number;
  readonly opened: number;
}

export interface Revocation {
  readonly invoke: InvokeOf<'revoke'>;
  /** When it was acknowledged; undefined while it is under way or if it failed. */
  ackedAt?: number;
}

/** Facts that several rules go by. The checker keeps it up to date before it asks them. */
export class World {
  readonly sessions = new Map<string, KnownSession>();
  readonly #revocations = new Map<string, Revocation[]>();
  /** Users of enrolments. */
  readonly enrolments = new Map<string, string>();

  invoked(invoke: Invoke): void {
    if (invoke.kind !== 'revoke') return;
    const key = targetKey(invoke.target);
    this.#revocations.set(key, [...(this.#revocations.get(key) ?? []), { invoke }]);
  }

  completed(invoke: Invoke, complete: Complete): void {
    if (complete.outcome !== 'ok') return;
    if (invoke.kind === 'revoke') {
      const found = this.#revocations.get(targetKey(invoke.target))?.find((one) => one.invoke === invoke);
      if (found) found.ackedAt = complete.at;
    } else if (invoke.kind === 'login' && complete.session !== undefined) {
      const { user, enrolment, at } = invoke;
      const id = complete.session;
      const known = {
        id,
        user,
        ...(enrolment !== undefined && { enrolment }),
        from: at,
        opened: complete.at,
      };
      this.sessions.set(id, known);
    } else if (invoke.kind === 'enroll' && complete.enrolment !== undefined) {
      this.enrolments.set(complete.enrolment, invoke.user);
    }
  }

  /** Every revocation, under way or not, that may concern an enrolment. */
  revocationsOfEnrolment(id: string): readonly Revocation[] {
    return this.#revocations.get(targetKey({ of: 'key', id })) ?? [];
  }

  /** Every revocation, under way or not, that may concern a session. */
  revocationsOfSession(id: string): readonly Revocation[] {
    const known = this.sessions.get(id);
    const of = (target: 'session' | 'key' | 'user', name: string | undefined): readonly Revocation[] =>
      name === undefined ? [] : (this.#revocations.get(targetKey({ of: target, id: name })) ?? []);
    // A user's or key's revocation ends what was opened before it; what is opened after it lives.
    const earlier = [...of('key', known?.enrolment), ...of('user', known?.user)].filter(
      ({ ackedAt }) => known !== undefined && known.from <= (ackedAt ?? Number.POSITIVE_INFINITY),
    );
    return [...of('session', id), ...earlier];
  }

  /**
   * When a session had certainly ended everywhere: the first acknowledgement, with wait FLEET, of a revocation
   * that certainly covers it.
   */
  endedFleetWide(session: string): { at: number; op: string } | undefined {
    const known = this.sessions.get(session);
    let first: { at: number; op: string } | undefined;
    for (const { invoke, ackedAt } of this.revocationsOfSession(session)) {
      if (ackedAt === undefined || invoke.wait !== 'FLEET') continue;
      const covers = invoke.target.of === 'session' || (known !== undefined && known.opened <= invoke.at);
      if (covers && (first === undefined || ackedAt < first.at)) first = { at: ackedAt, op: invoke.op };
    }
    return first;
  }
}

const targetKey = (target: { readonly of: string; readonly id: string }): string =>
  `${target.of} ${target.id}`;
