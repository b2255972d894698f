import { SallyportError } from '#core/errors/error.ts';

/** The number before which a page of numbered rows, newest first, begins. @throws INVALID_FIELD */
export function readToken(pageToken: string): number | undefined {
  const before = pageToken === '' ? undefined : Number(pageToken);
  if (before !== undefined && !Number.isSafeInteger(before)) {
    throw new SallyportError('INVALID_FIELD', { message: 'page_token is not one that this service gave' });
  }
  return before;
}

/** @throws POLICY_INVALID */
export function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new SallyportError('POLICY_INVALID', { message: 'document_json is not JSON', cause });
  }
}
