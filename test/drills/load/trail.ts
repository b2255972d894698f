import type { SdkEvent, SdkListener } from '#sdk/events.ts';

interface Stamped {
  readonly at: number;
  readonly event: SdkEvent;
}

/** Events of one device that are remembered. */
const maxEvents = 200;

/** What the SDK tells on each device, to explain why something took so long. */
export class Trail {
  readonly #now: () => number;
  readonly #events = new Map<string, Stamped[]>();

  constructor(now: () => number) {
    this.#now = now;
  }

  listener(device: string): SdkListener {
    const events: Stamped[] = [];
    this.#events.set(device, events);
    return (event) => {
      events.push({ at: this.#now(), event });
      if (events.length > maxEvents) events.shift();
    };
  }

  /** What a device told from `from` on for `ms` milliseconds, with the time since. */
  told(device: string, from: number, ms: number): string {
    const events = (this.#events.get(device) ?? []).filter(({ at }) => at >= from && at <= from + ms);
    return events.map(({ at, event }) => `${Math.round(at - from)}: ${briefly(event)}`).join('; ');
  }
}

function briefly(event: SdkEvent): string {
  switch (event.type) {
    case 'attached':
      return `attached to ${event.proxy} by ${event.edge.slice(-6)}`;
    case 'detached':
      return `detached from ${event.proxy} (${event.reason})`;
    case 'edge-failed':
      return `edge ${event.edge.slice(-6)} failed (${event.reason})`;
    case 'repeating':
      return `try ${event.attempt} (${event.reason})`;
    default:
      return event.type;
  }
}
