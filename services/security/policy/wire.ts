import { SallyportError } from '#core/errors/error.ts';

const defaultPage = 100;

/** What a page of numbered rows, newest first, is asked for. @throws INVALID_FIELD */
export function pageOf({ pageSize, pageToken }: { readonly pageSize: number; readonly pageToken: string }) {
  const before = pageToken === '' ? undefined : Number(pageToken);
  if (before !== undefined && !Number.isSafeInteger(before)) {
    throw new SallyportError('INVALID_FIELD', { message: 'page_token is not one that this service gave' });
  }
  return { before, limit: pageSize === 0 ? defaultPage : pageSize };
}

/** @throws POLICY_INVALID */
export function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new SallyportError('POLICY_INVALID', { message: 'document_json is not JSON', cause });
  }
}
