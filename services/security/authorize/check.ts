import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import { Status } from '#core/errors/status.ts';
import {
  HeaderValueOption_HeaderAppendAction as Append,
  type HeaderValueOptionSchema,
} from '#gen/envoy/config/core/v3/base_pb.js';
import {
  type Authorization,
  type CheckRequest,
  CheckResponseSchema,
} from '#gen/envoy/service/auth/v3/external_auth_pb.js';
import type { Logger } from '#kernel/log/logger.ts';
import { Encoded } from '#kernel/rpc/encoded.ts';
import type { Handlers } from '#kernel/rpc/handlers.ts';
import type { Assertion } from './assertions.ts';
import type { MakeGrant } from './grant.ts';
import type { lastLook } from './last-look.ts';
import type { Subjects } from './subject.ts';

export interface CheckDeps {
  readonly subjects: Pick<Subjects, 'ofBearer'>;
  readonly grant: MakeGrant;
  /** The last look before an answer. */
  readonly look: ReturnType<typeof lastLook>;
  readonly log: Logger;
}

/** The identity assertion that a backend sees; whatever came under this name from outside is replaced. */
export const assertionHeader = 'x-sallyport-assertion';
/** Why a request was refused: a reason of the policy or of the registry of errors. */
export const reasonHeader = 'x-sallyport-reason';

type Response = MessageInitShape<typeof CheckResponseSchema>;

/**
 * `envoy.service.auth.v3.Authorization` for any Envoy: the same decision as Authorize. The request shows an
 * assertion or a person's token as `authorization: Bearer …`, which the backend does not get to see.
 * https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/auth/v3/external_auth.proto
 */
export function check(deps: CheckDeps): Handlers<typeof Authorization>['check'] {
  return async (request) => {
    try {
      const { bearer, facts } = readRequest(request);
      const record = await deps.subjects.ofBearer(bearer);
      const { grant, assertion } = await deps.grant(record, facts);
      deps.look(record);
      return grant.allow ? allowed(assertion) : denied(403, grant.reason, grant.explain);
    } catch (thrown) {
      const error = SallyportError.from(thrown);
      if (error.status === 'INTERNAL') throw error;
      deps.log.debug({ err: error }, 'a check was refused');
      return denied(httpStatusOf(error), error.reason, error.message);
    }
  };
}

function readRequest(request: CheckRequest) {
  const http = request.attributes?.request?.http;
  if (http === undefined) throw new SallyportError('MALFORMED', { message: 'this is not an HTTP request' });
  const bearer = /^Bearer +(\S{20,8192})$/i.exec(http.headers.authorization ?? '')?.[1];
  if (bearer === undefined) {
    throw new SallyportError('TOKEN_INVALID', { message: 'the request carries no bearer token' });
  }
  return { bearer, facts: { method: http.method, authority: http.host, path: http.path } };
}

/** The answer that allows says nothing but the assertion, and is kept with it. */
const kept = new WeakMap<Assertion, Encoded<typeof CheckResponseSchema>>();

function allowed(assertion: Assertion | undefined): Encoded<typeof CheckResponseSchema> {
  const known = assertion && kept.get(assertion);
  if (known !== undefined) return known;
  const response = create(CheckResponseSchema, {
    status: { code: 0 },
    httpResponse: {
      case: 'okResponse',
      value: { headers: [header(assertionHeader, assertion?.jwt ?? '')], headersToRemove: ['authorization'] },
    },
  });
  const encoded = new Encoded(CheckResponseSchema, toBinary(CheckResponseSchema, response));
  if (assertion !== undefined) kept.set(assertion, encoded);
  return encoded;
}

function denied(http: number, reason: string, message: string): Response {
  const headers = [header(reasonHeader, reason), header('content-type', 'application/json')];
  if (http === 401) headers.push(header('www-authenticate', 'Bearer'));
  if (http === 503) headers.push(header('retry-after', '1'));
  const code = { 400: Status.INVALID_ARGUMENT, 401: Status.UNAUTHENTICATED, 503: Status.UNAVAILABLE }[http];
  return {
    status: { code: code ?? Status.PERMISSION_DENIED, message },
    httpResponse: {
      case: 'deniedResponse',
      value: { status: { code: http }, headers, body: JSON.stringify({ reason, message }) },
    },
  };
}

function httpStatusOf(error: SallyportError): 400 | 401 | 403 | 503 {
  switch (error.status) {
    case 'UNAUTHENTICATED':
      return 401;
    case 'INVALID_ARGUMENT':
      return 400;
    case 'UNAVAILABLE':
    case 'DEADLINE_EXCEEDED':
      return 503;
    default:
      return 403;
  }
}

function header(key: string, value: string): MessageInitShape<typeof HeaderValueOptionSchema> {
  return { header: { key, value }, appendAction: Append.OVERWRITE_IF_EXISTS_OR_ADD };
}
