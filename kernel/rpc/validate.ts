import { type DescMessage, fromBinary, type Message } from '@bufbuild/protobuf';
import { createValidator, type Violation } from '@bufbuild/protovalidate';
import { SallyportError } from '#core/errors/error.ts';

const validator = createValidator();
/** Unknown fields come from newer callers; nothing here hands them on, so nobody keeps them. */
const readOptions = { readUnknownFields: false };

/**
 * Reads a message and checks it against the rules of its contract. `bytes` fields are views into `bytes`:
 * whoever keeps one for long copies it, or keeps the whole network buffer with it.
 * @throws SallyportError MALFORMED, INVALID_FIELD
 */
export function readRequest(schema: DescMessage, bytes: Uint8Array): Message {
  return checkRequest(schema, readMessage(schema, bytes));
}

/** @throws SallyportError MALFORMED */
export function readMessage(schema: DescMessage, bytes: Uint8Array): Message {
  try {
    // A plain view: a Buffer's slices would be Buffers, which compare and print differently.
    const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return fromBinary(schema, plain, readOptions);
  } catch (cause) {
    throw new SallyportError('MALFORMED', { message: `these bytes are no ${schema.typeName}`, cause });
  }
}

/**
 * @returns the message itself
 * @throws SallyportError INVALID_FIELD, naming the first violations
 */
export function checkRequest(schema: DescMessage, message: Message): Message {
  const result = validator.validate(schema, message);
  if (result.kind === 'valid') return message;
  // A rule that cannot be compiled or evaluated is our own mistake.
  if (result.kind === 'error') throw new SallyportError('INTERNAL', { cause: result.error });
  throw new SallyportError('INVALID_FIELD', { message: violationsText(schema, result.violations) });
}

/** The first violations, in words. */
export function violationsText(schema: DescMessage, violations: readonly Violation[]): string {
  const shown = violations.slice(0, 3).map(describe);
  const rest = violations.length - shown.length;
  return `${schema.typeName}: ${shown.join('; ')}${rest > 0 ? `; and ${rest} more` : ''}`;
}

function describe(violation: Violation): string {
  const path = violation.field
    .map((part) =>
      part.kind === 'field' || part.kind === 'oneof'
        ? part.name
        : part.kind === 'extension'
          ? `[${part.typeName}]`
          : part.kind === 'list_sub'
            ? String(part.index)
            : String(part.key),
    )
    .join('.');
  return path ? `${path}: ${violation.message}` : violation.message;
}
