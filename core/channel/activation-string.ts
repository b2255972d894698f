import { SallyportError } from '#core/errors/error.ts';
import { decodeBase64url, encodeBase64url } from '#core/ids/base64url.ts';

const prefix = 'sallyport:1:';
/** Letters; a QR code of middle error correction still holds it. */
const maxLength = 2048;

/** The text of a QR code from a serialised `sallyport.channel.v1.Activation`. It holds a one-time secret. */
export function encodeActivationString(activation: Uint8Array): string {
  return prefix + encodeBase64url(activation);
}

/** The serialised Activation of an activation string; white space around it is ignored. Throws MALFORMED. */
export function decodeActivationString(text: string): Uint8Array {
  const trimmed = text.trim();
  const bytes =
    trimmed.startsWith(prefix) && trimmed.length <= maxLength
      ? decodeBase64url(trimmed.slice(prefix.length))
      : undefined;
  if (bytes === undefined || bytes.length === 0) {
    throw new SallyportError('MALFORMED', {
      message: 'this is not an activation string',
      hint: 'scan the code again, or copy the whole text beginning with "sallyport:1:"',
    });
  }
  return bytes;
}
