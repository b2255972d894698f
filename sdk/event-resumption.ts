import { concat } from '../core/channel/bytes.ts';
import { SallyportError } from '../core/errors/error.ts';
import type { Resumption } from './resumption.ts';

/** The longest event that is waited for. */
const maxEventBytes = 1_048_576;
const lf = 10;
const cr = 13;

/**
 * An event stream: events are passed on whole, so that after a cut the stream goes on between two of them,
 * by Last-Event-ID (HTML standard, "Server-sent events").
 */
export function eventResumption(): Resumption {
  let pending = new Uint8Array();
  let lastId = '';
  let passed = false;
  return {
    // It may last for as long as anybody listens.
    staysMs: 0,
    get position() {
      return lastId;
    },
    take: (chunk) => {
      const all = concat(pending, chunk);
      const whole = endOfLastEvent(all);
      pending = all.slice(whole);
      if (pending.length > maxEventBytes) {
        throw new SallyportError('TOO_LARGE', { message: `an event is longer than ${maxEventBytes} bytes` });
      }
      const events = all.subarray(0, whole);
      if (whole > 0) passed = true;
      lastId = lastIdIn(events) ?? lastId;
      return events;
    },
    end: () => pending,
    ask: () => {
      pending = new Uint8Array();
      // Without an id the backend would begin again; that is right only for somebody who has seen nothing.
      if (lastId === '') return passed ? undefined : [];
      return [{ name: 'last-event-id', value: lastId }];
    },
    accept: (head) => {
      const type = head.headers.find(({ name }) => name === 'content-type')?.value;
      return head.status === 200 && type?.startsWith('text/event-stream') ? 'goes-on' : 'other';
    },
  };
}

/** Where the last empty line ends. Lines end with CR LF, LF or CR; a CR at the very end may be half of one. */
function endOfLastEvent(bytes: Uint8Array): number {
  for (let at = bytes.length - 1; at > 0; at--) {
    const [two, one, here] = [bytes[at - 2], bytes[at - 1], bytes[at]];
    if (here === lf && (one === lf || (one === cr && (two === lf || two === cr)))) return at + 1;
    if (here === cr && one === cr && at + 1 < bytes.length && bytes[at + 1] !== lf) return at + 1;
  }
  return 0;
}

function lastIdIn(events: Uint8Array): string | undefined {
  const ids = new TextDecoder()
    .decode(events)
    .split(/\r\n|\n|\r/)
    .flatMap((line) => /^id(?:: ?(.*))?$/.exec(line)?.slice(1, 2) ?? [])
    .map((id) => id ?? '')
    .filter((id) => !id.includes('\0'));
  return ids.at(-1);
}
