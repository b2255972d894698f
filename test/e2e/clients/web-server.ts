import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

/** How a page ended: what it shows, or what went wrong. */
export interface Outcome {
  readonly text?: string;
  readonly error?: string;
  /** How many bytes it has fetched, where it was to be cut. */
  readonly bytes?: number;
}

export interface PageServer {
  /** What the page that ran this script from this origin told; undefined before it has. */
  outcomeOf(script: string, origin: string): Outcome | undefined;
  close(): Promise<void>;
}

/**
 * Runs the script that the address names, then tells the server how it went. With `cut`, the page is gone when it has
 * fetched so many bytes, and comes back without it.
 */
const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>page</title></head><body>
<script type="module">
const { run: script, cut } = Object.fromEntries(new URLSearchParams(location.search));
const fetchWhole = fetch;
let bytes;
if (cut !== undefined) {
  bytes = 0;
  const count = (chunk, out) => {
    bytes += chunk.length;
    if (bytes <= Number(cut)) out.enqueue(chunk);
    else location.replace('/?cut=Infinity&run=' + script);
  };
  globalThis.fetch = async (...args) => {
    const answer = await fetchWhole(...args);
    return new Response(answer.body?.pipeThrough(new TransformStream({ transform: count })), answer);
  };
}
const tell = (outcome) =>
  fetchWhole('/outcome?run=' + script, { method: 'POST', body: JSON.stringify({ ...outcome, bytes }) });
import('/' + script + '.js').then(
  () => tell({ text: document.body.innerText.trim() }),
  (error) => tell({ error: String(error) + '\\n' + (error?.stack ?? '') }),
);
</script></body></html>`;

/**
 * Serves the scripts of a folder, each in a page of its own (`/?run=<name>`), and `/given.json`, made anew for
 * each that asks. It listens at the origin, on all loopback names.
 */
export async function servePages(
  origin: URL,
  folder: string,
  given: () => Promise<object>,
): Promise<PageServer> {
  const outcomes = new Map<string, Outcome>();
  const answer = async (incoming: IncomingMessage): Promise<[type: string, body: string]> => {
    const { pathname, searchParams } = new URL(incoming.url ?? '/', `http://${incoming.headers.host}`);
    const script = searchParams.get('run') ?? '';
    if (pathname === '/') return ['text/html', html];
    if (pathname === '/given.json') return ['application/json', JSON.stringify(await given())];
    if (pathname === '/outcome') {
      outcomes.set(`http://${incoming.headers.host} ${script}`, JSON.parse(await text(incoming)) as Outcome);
      return ['text/plain', ''];
    }
    if (/^\/[a-z]+\.js$/.test(pathname))
      return ['text/javascript', readFileSync(join(folder, pathname), 'utf8')];
    return ['text/plain', ''];
  };
  const server = createServer((incoming, response) => {
    answer(incoming).then(
      ([type, body]) => response.writeHead(200, { 'content-type': type }).end(body),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(origin.port), '127.0.0.1', resolve);
  });
  return {
    outcomeOf: (script, from) => outcomes.get(`${from} ${script}`),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
