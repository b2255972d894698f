import { SallyportError } from '#core/errors/error.ts';

const shape = /^(?:\[[0-9a-f:.]{2,45}\]|[a-z0-9_](?:[a-z0-9_.-]{0,252}))(?::\d{1,5})?$/;

/**
 * The one spelling of an authority: lower case, no final dot, no default port (80, 443). Another port
 * is part of the name. Undefined when it is not a host with an optional port (user info, for example).
 */
export function canonicalHost(authority: string): string | undefined {
  if (authority.length > 255) return undefined;
  const lower = authority.toLowerCase();
  if (!shape.test(lower) || lower.includes('..')) return undefined;
  return lower.replace(/:(?:80|443)$/, '').replace(/\.(?=$|:)/, '');
}

/** As `canonicalHost`; throws REQUEST_INVALID instead. */
export function requestHost(authority: string): string {
  const host = canonicalHost(authority);
  if (host !== undefined && host !== '') return host;
  throw new SallyportError('REQUEST_INVALID', {
    message: 'the authority is not a host with an optional port',
    hint: 'send the host of the URL, without user name and password',
  });
}
