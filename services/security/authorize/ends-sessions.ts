import type { Logger } from '#kernel/log/logger.ts';
import { handleOf, type SessionRecord } from '../session/record.ts';
import type { Sessions } from '../session/sessions.ts';

/** Sessions that are being ended at a time; what is decided about further ones ends them later. */
const maxAtOnce = 100;
/** A reason of the feed holds so many characters. */
const maxReason = 256;

/**
 * Ends a session behind the answer that it is over, once however many requests find that out. One whose entry
 * cannot be written is ended by its next request.
 */
export function endsSessions(deps: { readonly sessions: Pick<Sessions, 'end'>; readonly log: Logger }) {
  const ending = new Set<string>();
  return (record: SessionRecord, reason: string): void => {
    const handle = handleOf(record.id);
    if (ending.has(handle) || ending.size >= maxAtOnce) return;
    ending.add(handle);
    deps.sessions
      .end(record, reason.slice(0, maxReason), 'COMMITTED')
      .catch((error) => deps.log.warn({ err: error }, 'a session that is to end could not be ended yet'))
      .finally(() => ending.delete(handle));
  };
}
