import assert from 'node:assert/strict';
import type { MultiplexLimits, StreamMessage } from './messages.ts';
import { type IncomingRequest, Multiplexer } from './multiplexer.ts';
import { decodeStreamMessage, encodeStreamMessage } from './stream-codec.ts';

/** One direction of a wire in memory: messages wait, encoded, until the test delivers them. */
export class WireDirection {
  /** Bytes of body sent so far. */
  dataBytes = 0;
  onSend: (message: StreamMessage) => void = () => {};
  onDeliver: (message: StreamMessage) => void = () => {};
  #queue: Uint8Array[] = [];
  #full: Promise<void> | undefined;
  #target: Multiplexer | undefined;

  readonly send = (message: StreamMessage): Promise<void> | undefined => {
    if (message.kind === 'data') this.dataBytes += message.data.length;
    this.onSend(message);
    this.#queue.push(encodeStreamMessage(message));
    return this.#full;
  };

  connect(target: Multiplexer): void {
    this.#target = target;
  }

  /** Delivers one message; false when there is none. */
  deliver(): boolean {
    const bytes = this.#queue.shift();
    if (!bytes) return false;
    const message = decodeStreamMessage(bytes);
    this.onDeliver(message);
    this.#target?.receive(message);
    return true;
  }

  /** From the next message on the transport says that it is full, until the returned function is called. */
  fill(): () => void {
    let ready = () => {};
    this.#full = new Promise((resolve) => {
      ready = resolve;
    });
    return () => {
      this.#full = undefined;
      ready();
    };
  }
}

export class Wire {
  readonly toProxy = new WireDirection();
  readonly toDevice = new WireDirection();

  connect(device: Multiplexer, proxy: Multiplexer): void {
    this.toProxy.connect(proxy);
    this.toDevice.connect(device);
  }

  /** Asserts, message by message, that nobody sends more than the credit that has reached him. */
  watchCredit(window: number, maxData: number): void {
    const watch = (sends: WireDirection, receives: WireDirection) => {
      const credit = new Map<number, number>();
      const of = (id: number) => credit.get(id) ?? window;
      sends.onSend = (message) => {
        if (message.kind !== 'data') return;
        assert.ok(message.data.length > 0 && message.data.length <= maxData);
        credit.set(message.requestId, of(message.requestId) - message.data.length);
        assert.ok(of(message.requestId) >= 0, 'credit exceeded');
      };
      receives.onDeliver = (message) => {
        if (message.kind === 'credit') credit.set(message.requestId, of(message.requestId) + message.credit);
      };
    };
    watch(this.toProxy, this.toDevice);
    watch(this.toDevice, this.toProxy);
  }
}

/** Lets every promise that can settle do so. */
export const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A device and a proxy on one wire. */
export function joined(
  onRequest: (request: IncomingRequest) => Promise<void>,
  limits: Partial<MultiplexLimits> = {},
) {
  const wire = new Wire();
  const device = new Multiplexer({ role: 'device', send: wire.toProxy.send, limits });
  const proxy = new Multiplexer({ role: 'proxy', send: wire.toDevice.send, limits, onRequest });
  wire.connect(device, proxy);
  return { wire, device, proxy };
}

/** Delivers everything, alternately, until nobody has anything to say. */
export async function pump(wire: Wire): Promise<void> {
  for (;;) {
    await settle();
    if (!wire.toProxy.deliver() && !wire.toDevice.deliver()) return;
  }
}
