import { SallyportError } from '#core/errors/error.ts';
import type { StatusName } from '#core/errors/status.ts';
import type { PlainAnswer } from '#kernel/rpc/plain-http.ts';

/** RFC 7644 table 9, as far as they are told here. */
export type ScimType =
  | 'invalidFilter'
  | 'tooMany'
  | 'uniqueness'
  | 'mutability'
  | 'invalidSyntax'
  | 'invalidPath'
  | 'noTarget'
  | 'invalidValue';

/** A request that cannot be done as it stands. */
export const scimError = (scimType: ScimType, message: string): SallyportError =>
  new SallyportError(scimType === 'uniqueness' ? 'ALREADY_EXISTS' : 'SCIM_INVALID', {
    message,
    metadata: { scimType },
  });

const statuses: Partial<Record<StatusName, number>> = {
  INVALID_ARGUMENT: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  UNIMPLEMENTED: 405,
  ALREADY_EXISTS: 409,
  ABORTED: 409,
  FAILED_PRECONDITION: 412,
  RESOURCE_EXHAUSTED: 429,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 503,
  CANCELLED: 503,
};

export const scimHeaders = { 'content-type': 'application/scim+json', 'cache-control': 'no-store' };

/** The error as RFC 7644 3.12 has it. Of what went wrong in here nothing is told but the request's id. */
export function refuseScim(error: SallyportError): PlainAnswer {
  const { reason, retryAfterMs, metadata } = error;
  const status = reason === 'TOO_LARGE' ? 413 : (statuses[error.status] ?? 500);
  const told = {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
    status: String(status),
    ...(metadata.scimType !== undefined && { scimType: metadata.scimType }),
    detail: status === 500 ? 'it went wrong here' : `${reason}: ${error.message}`,
  };
  return {
    status,
    headers: {
      ...scimHeaders,
      ...(status === 401 && { 'www-authenticate': 'Bearer realm="scim"' }),
      ...(retryAfterMs !== undefined && { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }),
    },
    body: JSON.stringify(told),
  };
}
