import { type DescMessage, fromJson, type JsonValue, type MessageShape } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import { canonicalUser } from '#core/ids/canonical-user.ts';
import { checkRequest } from '#kernel/rpc/validate.ts';
import type { Json } from '../engine/json.ts';

/** What a workflow is begun with. @throws MALFORMED, INVALID_FIELD: it ends with that, and nothing was done */
export function readForm<S extends DescMessage>(schema: S, given: Json): MessageShape<S> {
  let message: MessageShape<S>;
  try {
    message = fromJson(schema, given as JsonValue);
  } catch (cause) {
    throw new SallyportError('MALFORMED', {
      message: `the input is no ${schema.typeName}: ${cause instanceof Error ? cause.message : String(cause)}`,
      cause,
    });
  }
  checkRequest(schema, message);
  return message;
}

/** Who may ask for everybody: those whom the service lets submit it. People ask for themselves. @throws CALLER_NOT_ALLOWED */
export function requireOwn(submitter: string, user: string): void {
  if (!submitter.startsWith('person/') || submitter === `person/${canonicalUser(user)}`) return;
  throw new SallyportError('CALLER_NOT_ALLOWED', {
    message: `${submitter} may ask for that for themselves only`,
  });
}
