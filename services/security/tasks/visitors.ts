import { SallyportError } from '#core/errors/error.ts';
import type { CallContext } from '#kernel/rpc/handlers.ts';
import type { Administrators } from '../authorize/administrators.ts';

/** Whoever asks about tasks. */
export interface Visitor {
  /** `operator/…`, `person/…` or `service/…`: the submitter of what it submits. */
  readonly name: string;
  /** Sees and changes everybody's. */
  readonly everybody: boolean;
}

/** @throws CALLER_NOT_ALLOWED, TOKEN_INVALID, STALE, DB_UNAVAILABLE */
export async function visitorOf(admins: Administrators, call: CallContext): Promise<Visitor> {
  const { role, pod } = call.caller;
  if (role === 'service') return { name: `service/${pod}`, everybody: false };
  const { name, owner } = await admins.admitOwner(call);
  return { name, everybody: owner === undefined };
}

/** What somebody else has submitted is not told from what is not there. @throws NOT_FOUND */
export function requireOwn<T extends { readonly submitter: string }>(
  visitor: Visitor,
  task: T | undefined,
  id: string,
): T {
  if (task !== undefined && (visitor.everybody || task.submitter === visitor.name)) return task;
  throw new SallyportError('NOT_FOUND', { message: `there is no task ${id}` });
}
