const encoder = new TextEncoder();

/** The UTF-8 bytes of a text (all labels and names of the protocol are ASCII). */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** All parts one after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Big-endian, 2 bytes. */
export function u16(value: number): Uint8Array {
  return new Uint8Array([value >>> 8, value]);
}

/** Big-endian, 4 bytes. */
export function u32(value: number): Uint8Array {
  return new Uint8Array([value >>> 24, value >>> 16, value >>> 8, value]);
}

/** `lp(x)` of docs/PROTOCOL.md: the length in bytes as u32, then the bytes. */
export function lp(value: Uint8Array | string): Uint8Array {
  const bytes = typeof value === 'string' ? utf8(value) : value;
  return concat(u32(bytes.length), bytes);
}

/** A label closed by a zero byte, so that no label is the beginning of another one's input. */
export function labelled(label: string, ...parts: readonly Uint8Array[]): Uint8Array {
  return concat(utf8(label), new Uint8Array(1), ...parts);
}

/**
 * Overwrites secrets with zeros. Best effort: JavaScript may have copied them; it shortens the
 * time that they lie in memory, it does not promise that no copy is left.
 */
export function wipe(...secrets: readonly (Uint8Array | undefined)[]): void {
  for (const secret of secrets) secret?.fill(0);
}
