import { SallyportError } from '#core/errors/error.ts';
import { claimsOf } from './answers.ts';
import type { LoadContext, LoadDevice } from './context.ts';
import type { Ledger } from './ledger.ts';

/** Out of 100 requests: repeatable by their method, by their key, and not at all. */
const mix = { get: 70, keyed: 15 } as const;
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
    // After the process itself has stood still, what fell into that time is not made up for.
    if (due - sent > options.perSecond) sent = due - options.perSecond;
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
  const operation = window.begin('get', device.name);
  try {
    const response = await device.session.fetch('/whoami');
    const claims = claimsOf(response, await response.text());
    if (claims.device !== device.device.enrolment.deviceId) {
      window.isWrong(`${device.name} was answered as ${String(claims.device)}`);
    }
    window.ok(operation);
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
  const operation = window.begin('slow', device.name);
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
  { session, name }: LoadDevice,
  ledger: Ledger,
  kind: 'keyed' | 'once',
): Promise<void> {
  const window = context.window();
  const operation = window.begin(kind, name);
  const body = ledger.begin(kind);
  try {
    const response = await session.fetch('/orders', {
      method: 'POST',
      body,
      headers: { 'content-type': 'text/plain' },
      ...(kind === 'keyed' && { idempotencyKey: body }),
    });
    const text = await response.text();
    if (response.status !== 201) {
      throw new SallyportError('BACKEND_FAILED', {
        message: `status ${response.status}: ${text.slice(0, 100)}`,
      });
    }
    if ((JSON.parse(text) as { body?: unknown }).body !== body) {
      window.isWrong(`${name} placed ${body} and was answered ${text.slice(0, 200)}`);
    }
    ledger.acknowledged(body);
    window.ok(operation);
  } catch (thrown) {
    window.failed(operation, thrown);
  }
}
