import { encodeBase64url } from './base64url.ts';

/** The part of a crypto provider that making ids needs. */
export interface IdRandom {
  randomBytes(length: number): Uint8Array;
}

/** 16 bytes as base64url: 21 letters, and a 22nd whose four unused bits are zero. */
const sixteenBytes = /^[A-Za-z0-9_-]{21}[AQgw]$/;

function newId(random: IdRandom): string {
  return encodeBase64url(random.randomBytes(16));
}

/** A new pseudonym of an enrolment or a user: 22 letters; what Envoy hashes. */
export function newRouteKey(random: IdRandom): string {
  return newId(random);
}

/** Whether the text is spelled as a route key (16 bytes, canonical base64url). */
export function isRouteKey(text: string): boolean {
  return sixteenBytes.test(text);
}

/** The id of an installation of an app: 22 letters. It says nothing about the device. */
export function newDeviceId(random: IdRandom): string {
  return newId(random);
}

/** Whether the text is spelled as a device id. */
export function isDeviceId(text: string): boolean {
  return sixteenBytes.test(text);
}

/** The id of a request, for logs and for `UNKNOWN_OUTCOME`: 22 letters. */
export function newRequestId(random: IdRandom): string {
  return newId(random);
}
