import { SallyportError } from '#core/errors/error.ts';
import { handleOf } from '#services/security/session/record.ts';
import { claimsOf } from './answers.ts';
import type { LoadContext, LoadDevice } from './context.ts';
import type { Ledger } from './ledger.ts';
import type { Window } from './window.ts';

/** Out of 100 requests: repeatable by their method, by their key, and not at all. */
const mix = { get: 70, keyed: 15 } as const;
/** Of so many orders one is asked for again, as are those whose outcome is not known. */
const askEvery = 10;
/** Device requests under way beyond which no more are begun: they would only fill this process. */
const maxOpen = 5000;
/** How often it is looked whether a request is due. */
const tickMs = 5;

/**
 * Requests at a steady rate, whatever becomes of the earlier ones (an open loop: a stall is met by all the
 * requests that fall into it). Each device's turn comes round in order.
 */
export function startRequests(
  context: LoadContext,
  devices: readonly LoadDevice[],
  ledger: Ledger,
): { stop(): void } {
  const { now, options, random } = context;
  const begun = now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((now() - begun) / 1000) * options.perSecond);
    // After the process itself has stood still, what is more than a second's requests of that time is left out.
    const leftOut = due - sent - options.perSecond;
    if (leftOut > 0) {
      context.window().skipped += leftOut;
      sent += leftOut;
    }
    while (sent < due) {
      const device = devices[sent % devices.length];
      sent += 1;
      if (device === undefined) return;
      if (context.window().open >= maxOpen) {
        context.window().skipped += 1;
        continue;
      }
      const roll = random() * 100;
      if (roll < mix.get) void get(context, device);
      else void order(context, device, ledger, roll < mix.get + mix.keyed ? 'keyed' : 'once');
    }
  }, tickMs);
  return { stop: () => clearInterval(timer) };
}

/** Reads a page that says who asks: an answer to somebody else's request shows. */
export async function get(context: LoadContext, device: Omit<LoadDevice, 'credentials'>): Promise<void> {
  const window = context.window();
  const operation = window.begin('get', device.name, {
    ...requestOf(device, '/whoami'),
    expects: device.device.enrolment.deviceId,
  });
  try {
    const response = await device.session.fetch('/whoami');
    const { status, proxy } = response;
    const claims = claimsOf(response, await response.text());
    window.ok(operation, { answer: String(claims.device), status, proxy });
  } catch (thrown) {
    window.failed(operation, thrown);
  }
}

/** Asks for a page that takes so long. */
export async function slow(
  context: LoadContext,
  devices: readonly LoadDevice[],
  n: number,
  ms: number,
): Promise<void> {
  const device = devices[n % devices.length];
  if (device === undefined) return;
  const window = context.window();
  const operation = window.begin('slow', device.name, requestOf(device, '/slow'));
  try {
    const response = await device.session.fetch(`/slow?ms=${ms}`);
    await response.bytes();
    if (response.status !== 200) {
      throw new SallyportError('BACKEND_FAILED', { message: `status ${response.status}` });
    }
    window.ok(operation);
  } catch (thrown) {
    window.failed(operation, thrown);
  }
}

async function order(
  context: LoadContext,
  device: LoadDevice,
  ledger: Ledger,
  kind: 'keyed' | 'once',
): Promise<void> {
  const { session, name } = device;
  const window = context.window();
  const body = ledger.next(kind);
  const operation = window.begin(kind, name, {
    ...requestOf(device, '/orders'),
    ...{ method: 'POST', repeatable: kind === 'keyed', executes: true, expects: body },
    ...(kind === 'keyed' && { idempotencyKey: body }),
    acts: { type: 'set', key: 'orders', action: 'add', value: body },
  });
  if (operation.recorded) ledger.begun(body, operation.recorded.id);
  try {
    const response = await session.fetch('/orders', {
      method: 'POST',
      body,
      headers: { 'content-type': 'text/plain' },
      ...(kind === 'keyed' && { idempotencyKey: body }),
    });
    const { status, proxy, requestId } = response;
    const text = await response.text();
    if (status !== 201) {
      throw new SallyportError('BACKEND_FAILED', { message: `status ${status}: ${text.slice(0, 100)}` });
    }
    window.ok(operation, { answer: String((JSON.parse(text) as { body?: unknown }).body), status, proxy });
    if (context.random() * askEvery < 1) await askFor(context, device, { window, requestId, body });
  } catch (thrown) {
    window.failed(operation, thrown);
    const { requestId } = SallyportError.from(thrown).metadata;
    if (requestId !== undefined) await askFor(context, device, { window, requestId, body });
  }
}

/** Whether an order was placed, as an app asks that was told UNKNOWN_OUTCOME. */
async function askFor(
  context: LoadContext,
  device: LoadDevice,
  { window, requestId, body }: { readonly window: Window; readonly requestId: string; readonly body: string },
): Promise<void> {
  // The history of another drill knows nothing of this order.
  if (context.window() !== window) return;
  const operation = window.begin('get', device.name, {
    ...requestOf(device, '/orders'),
    acts: { type: 'set', key: 'orders', action: 'contains', value: body },
  });
  try {
    const response = await device.session.fetch(`/orders?request=${encodeURIComponent(requestId)}`);
    const { status, proxy } = response;
    const text = await response.text();
    if (status !== 200) {
      throw new SallyportError('BACKEND_FAILED', { message: `status ${status}: ${text.slice(0, 100)}` });
    }
    const { order: found } = JSON.parse(text) as { order: { body?: unknown } | null };
    window.ok(operation, { status, proxy, saw: { yes: found?.body === body } });
  } catch (thrown) {
    window.failed(operation, thrown);
  }
}

/** A GET of a device, as the history has it. */
const requestOf = ({ name, session }: Pick<LoadDevice, 'name' | 'session'>, path: string) => ({
  ...{ kind: 'request' as const, client: name, session: handleOf(session.id) },
  ...{ method: 'GET', path, repeatable: true },
});
