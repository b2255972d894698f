import { SallyportError } from '#core/errors/error.ts';

/** Where a page ended: when its last entry was made, and its id. */
export interface PageEnd {
  readonly createdMs: number;
  readonly id: string;
}

export const pageToken = ({ createdMs, id }: PageEnd): string => `${createdMs}.${id}`;

/** Undefined for an empty one. @throws INVALID_FIELD */
export function readPageToken(token: string): PageEnd | undefined {
  if (token === '') return undefined;
  const [, ms = '', id = ''] = /^(\d{1,15})\.([A-Za-z0-9_-]{22})$/.exec(token) ?? [];
  if (id !== '') return { createdMs: Number(ms), id };
  throw new SallyportError('INVALID_FIELD', { message: 'page_token is not one that this service gave' });
}
