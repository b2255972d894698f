/** A constant light load from several sides, while a mesh is being changed: whatever goes wrong is kept. */
import { readFileSync } from 'node:fs';
import type { Mesh } from '#compose/runner/mesh.ts';
import { socketPath } from '#compose/topology/paths.ts';
import { SallyportError } from '#core/errors/error.ts';
import { ProxyAuthorize } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { createConnectClient } from '#kernel/rpc/connect-client.ts';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { Session } from '#sdk/session.ts';
import { demoPassword } from './mesh.ts';
import { enrolDevice } from './mesh-device.ts';

/** What one side of the load has seen. */
export interface Seen {
  readonly name: string;
  done: number;
  readonly failures: string[];
}

export interface Load {
  /** By side: pages, orders (which may not be sent twice), events, decisions. */
  readonly sides: readonly Seen[];
  /** Resolves when every side has gone on since now. @throws DEADLINE for one that hangs */
  untilAllGoOn(): Promise<void>;
  stop(): Promise<void>;
}

const everyMs = 40;
/** How long a side may be without a success until it hangs; the machine may be starved. */
const hangsMs = 60_000;

/** Begins the load; it goes on until it is stopped. */
export async function startLoad(mesh: Mesh): Promise<Load> {
  const stopping = new AbortController();
  const sides: Seen[] = [];
  const running: Promise<void>[] = [];
  const side = (name: string, once: (seen: Seen) => Promise<void>): void => {
    const seen: Seen = { name, done: 0, failures: [] };
    sides.push(seen);
    running.push(repeat(seen, () => once(seen), stopping.signal));
  };
  const devices = await Promise.all([0, 1, 2].map(() => enrolDevice(mesh)));
  const sessions = await Promise.all(devices.map((each) => each.device.open(each.credentials)));
  const [reader, buyer, listener] = sessions as [Session, Session, Session];
  side('pages', (seen) => readPage(reader, seen));
  side('orders', (seen) => placeOrder(buyer, seen));
  side('events', (seen) => hearEvents(listener, seen, stopping.signal));
  const deciding = await decisions(mesh);
  side('decisions', deciding.ask);
  const load: Load = {
    sides,
    untilAllGoOn: async () => {
      const before = sides.map(({ done }) => done);
      await waitFor(() => sides.every(({ done }, at) => done > (before[at] ?? 0) + 2), {
        timeoutMs: hangsMs,
        what: `${sides.map(({ name, done }, at) => `${name} ${done - (before[at] ?? 0)}`).join(', ')} to go on`,
      });
    },
    stop: async () => {
      stopping.abort(new SallyportError('CANCELLED', { message: 'the load is over' }));
      await Promise.all(running);
      deciding.close();
      for (const { device } of devices) device.close();
    },
  };
  await load.untilAllGoOn();
  return load;
}

async function repeat(seen: Seen, once: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await once();
    } catch (thrown) {
      if (signal.aborted) return;
      const { reason, message } = SallyportError.from(thrown);
      seen.failures.push(`${reason}: ${message}`);
    }
    // Rejects when the load is over, which the loop looks at.
    await systemClock.sleep(everyMs, signal).catch(() => undefined);
  }
}

async function readPage(session: Session, seen: Seen): Promise<void> {
  const response = await session.fetch('/news');
  const text = await response.text();
  if (response.status !== 200 || !text.includes('News')) seen.failures.push(`status ${response.status}`);
  else seen.done += 1;
}

/** An order without an Idempotency-Key: it must not be sent twice, so its outcome must be known. */
async function placeOrder(session: Session, seen: Seen): Promise<void> {
  const response = await session.fetch('/orders', { method: 'POST', body: `order ${seen.done}` });
  await response.text();
  if (response.status !== 201) seen.failures.push(`status ${response.status}`);
  else seen.done += 1;
}

/** One event stream for as long as it lasts; every event comes once, in order. */
async function hearEvents(session: Session, seen: Seen, signal: AbortSignal): Promise<void> {
  const response = await session.fetch('/events?every=100', { signal });
  let text = '';
  let next = 1;
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const id = /^id: (\d+)$/m.exec(text.slice(0, end))?.[1];
      text = text.slice(end + 2);
      if (Number(id) !== next) seen.failures.push(`event ${id} came for ${next}`);
      next += 1;
      seen.done += 1;
    }
  }
  throw new SallyportError('STREAM_CUT', { message: 'the event stream has ended' });
}

/** A service beside its sidecar that asks for decisions about a person's token. */
async function decisions(mesh: Mesh): Promise<{ ask: (seen: Seen) => Promise<void>; close: () => void }> {
  const people = createConnectClient(SessionService, {
    address: mesh.edgeUrls[0] ?? '',
    ca: readFileSync(mesh.publicCa),
    defaultDeadlineMs: 20_000,
  });
  const { token, routeKey } = await people.login({ user: mesh.demo.user, password: demoPassword(mesh) });
  const tier = createGrpcClient(ProxyAuthorize, {
    address: `unix:${socketPath(mesh.topology, 'svc-0', 'out')}`,
    defaultDeadlineMs: 20_000,
  });
  return {
    ask: async (seen) => {
      const { grant } = await tier.authorize(
        {
          subject: { case: 'token', value: token },
          request: { method: 'GET', authority: 'intranet.example', path: '/news' },
        },
        { headers: { 'x-sallyport-route': routeKey } },
      );
      if (grant?.allow !== true) seen.failures.push(`denied: ${grant?.reason}`);
      else seen.done += 1;
    },
    close: () => tier.close(),
  };
}
