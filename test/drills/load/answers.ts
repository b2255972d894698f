import { SallyportError } from '#core/errors/error.ts';
import type { SessionResponse } from '#sdk/response.ts';

/** What /whoami of the intranet says. @throws BACKEND_FAILED when it says something else */
export function claimsOf(response: SessionResponse, text: string): Record<string, unknown> {
  if (response.status !== 200) {
    const message = `status ${response.status} from ${response.proxy}: ${text.slice(0, 100)}`;
    throw new SallyportError('BACKEND_FAILED', { message });
  }
  return JSON.parse(text) as Record<string, unknown>;
}
