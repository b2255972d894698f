import { SallyportError } from '#core/errors/error.ts';
import type { CallerRole } from '#kernel/rpc/caller.ts';
import type { CallContext } from '#kernel/rpc/handlers.ts';

/**
 * The sidecar admits callers by role and method already; this holds even if its configuration is wrong.
 * @throws CALLER_NOT_ALLOWED
 */
export function requireRole(
  call: Pick<CallContext, 'caller' | 'method'>,
  ...roles: readonly CallerRole[]
): void {
  if (roles.some((role) => role === call.caller.role)) return;
  throw new SallyportError('CALLER_NOT_ALLOWED', {
    message: `${call.method} is for ${roles.join(', ')}; the caller is ${call.caller.role}`,
  });
}

/** A pod speaks for itself only. @throws CALLER_NOT_ALLOWED */
export function requireOwnName(call: Pick<CallContext, 'caller'>, name: string): void {
  if (call.caller.pod === name) return;
  throw new SallyportError('CALLER_NOT_ALLOWED', { message: `the caller is not ${name}` });
}
