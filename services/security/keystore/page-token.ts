import { SallyportError } from '#core/errors/error.ts';
import { isRouteKey } from '#core/ids/ids.ts';

/** The last enrolment of a page. */
export interface PageEnd {
  readonly createdMs: number;
  readonly routeKey: string;
}

export function encodePageToken(end: PageEnd): string {
  return `${end.createdMs}.${end.routeKey}`;
}

/** @throws INVALID_FIELD */
export function decodePageToken(token: string): PageEnd {
  const [, time = '', routeKey = ''] = /^(\d{1,15})\.([^.]+)$/.exec(token) ?? [];
  if (!isRouteKey(routeKey)) {
    throw new SallyportError('INVALID_FIELD', { message: 'page_token is not one that this service gave' });
  }
  return { createdMs: Number(time), routeKey };
}
