import { SallyportError } from '#core/errors/error.ts';
import type { SessionResponse } from '#sdk/response.ts';
import type { LoadContext, LoadDevice } from './context.ts';
import type { Kind } from './messages.ts';

/** Milliseconds between two events. */
const everyMs = 500;
const fileBytes = 4 * 1024 * 1024;
/** Milliseconds between two pieces that a device takes of its file: a slow reader, so that many are under way. */
const pieceMs = 250;
/** What is cut is opened again after so long. */
const againMs = 500;

/** What the intranet's /big holds, from any place on that is a multiple of 256. */
const pattern = Buffer.from(Uint8Array.from({ length: 1024 * 1024 }, (_, at) => (at * 31) & 255));

/** A stream that goes on through all drills. */
export interface LongStream {
  /** A drill ends: what has been silent until now counts for it. */
  settle(): void;
}

/** Devices that listen to events, and see that none is missing and none comes twice. */
export function startEvents(context: LoadContext, device: LoadDevice): LongStream {
  return long(context, device, 'events', async (piece) => {
    const response = await device.session.fetch(`/events?every=${everyMs}`, { signal: context.signal });
    expectStatus(response, 200);
    let text = '';
    let last = 0;
    const decoder = new TextDecoder();
    for await (const bytes of piece(response)) {
      text += decoder.decode(bytes, { stream: true });
      const ended = text.lastIndexOf('\n\n');
      if (ended < 0) continue;
      for (const [, id] of text.slice(0, ended + 2).matchAll(/^id: (\d+)$/gm)) {
        if (Number(id) !== last + 1)
          context.window().isWrong(`${device.name}: event ${id} came after ${last}`);
        last = Number(id);
      }
      text = text.slice(ended + 2);
    }
    throw new SallyportError('STREAM_CUT', { message: 'the event stream ended' });
  });
}

/** Devices that read a large file again and again, slowly, and look at every byte. */
export function startDownloads(context: LoadContext, device: LoadDevice): LongStream {
  return long(context, device, 'download', async (piece) => {
    const response = await device.session.fetch(`/big?bytes=${fileBytes}`, { signal: context.signal });
    expectStatus(response, 200);
    let at = 0;
    for await (const bytes of piece(response)) {
      const from = at % 256;
      if (!pattern.subarray(from, from + bytes.length).equals(bytes)) {
        context.window().isWrong(`${device.name}: other bytes than asked for at ${at}`);
      }
      at += bytes.length;
      await pause(pieceMs, context.signal);
    }
    if (at !== fileBytes) context.window().isWrong(`${device.name}: ${at} bytes of ${fileBytes}`);
  });
}

type Piece = (response: SessionResponse) => AsyncIterable<Uint8Array>;

/** Opens a stream again and again; measures how long it is awaited. */
function long(
  context: LoadContext,
  { name }: LoadDevice,
  kind: Kind,
  open: (piece: Piece) => Promise<void>,
): LongStream {
  const { now, signal } = context;
  /** Since when something is awaited; undefined while the device itself is busy. */
  let waiting: number | undefined;
  let failed = false;
  const arrived = (): void => {
    if (waiting !== undefined) context.window().gap(kind, name, now() - waiting);
    waiting = undefined;
  };
  async function* piece(response: SessionResponse): AsyncGenerator<Uint8Array> {
    for await (const bytes of response.body) {
      arrived();
      yield bytes;
      waiting = now();
    }
  }
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      waiting = now();
      try {
        await open(piece);
        arrived();
      } catch (thrown) {
        if (signal.aborted) return;
        arrived();
        failed = true;
        const window = context.window();
        window.failed(window.begin(kind, name), thrown);
        await pause(againMs, signal);
      }
    }
  };
  void run();
  return {
    settle: () => {
      const window = context.window();
      if (waiting !== undefined) {
        window.gap(kind, name, now() - waiting);
        waiting = now();
      }
      if (!failed) window.ok(window.begin(kind, name));
      failed = false;
    },
  };
}

function expectStatus({ status, proxy }: SessionResponse, wanted: number): void {
  if (status !== wanted)
    throw new SallyportError('BACKEND_FAILED', { message: `status ${status} from ${proxy}` });
}

/** Ends early, without an error, when the load ends. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}
