import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import { createValidator } from '@bufbuild/protovalidate';
import { SallyportError } from '#core/errors/error.ts';

const validator = createValidator();

/**
 * Reads and checks a message that came inside a sealed one, where the RPC layer could not look.
 * @throws MALFORMED, INVALID_FIELD. Values are never part of the message: they may be secrets.
 */
export function parseInside<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
  let message: MessageShape<D>;
  try {
    message = fromBinary(schema, bytes);
  } catch (cause) {
    throw new SallyportError('MALFORMED', { message: `this is not a ${schema.name}`, cause });
  }
  const result = validator.validate(schema, message);
  if (result.kind === 'valid') return message;
  const rules = result.kind === 'invalid' ? result.violations.map((v) => v.toString()).join('; ') : '';
  throw new SallyportError('INVALID_FIELD', { message: `inside the sealed message: ${rules}` });
}
