import { readFileSync } from 'node:fs';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { Device, type DeviceOptions } from '#sdk/device.ts';
import { enroll } from '#sdk/enroll.ts';
import type { AppInfo } from '#sdk/enrolment.ts';
import type { EnrolmentStore } from '#sdk/enrolment-store.ts';
import { memoryStore } from '#sdk/enrolment-store.ts';
import type { SdkEvent, SdkListener } from '#sdk/events.ts';
import { nodeEdges } from '#sdk/node.ts';
import { defaultPlatform, type Platform } from '#sdk/platform.ts';
import type { FetchInit } from '#sdk/request.ts';
import type { SessionResponse } from '#sdk/response.ts';
import type { Session } from '#sdk/session.ts';
import { demoApp, demoOrigin } from './app.ts';

/** The SDK on Node, with native cryptography. */
export const phonePlatform: Platform = { ...defaultPlatform, crypto: channelCrypto };

export interface PhoneOptions {
  /** File with the root that edges are checked by. */
  readonly publicCa: string;
  /** What it enrols with. Used up by it. */
  readonly activation: string;
  readonly user: string;
  readonly password: string;
  readonly app?: AppInfo;
  /** What people know the device by; default `phone`. */
  readonly name?: string;
  /** Default: in memory. */
  readonly store?: EnrolmentStore;
  readonly listener?: SdkListener;
  readonly signal?: AbortSignal;
}

/** A phone with an open session. */
export interface Phone {
  readonly device: Device;
  readonly session: Session;
  /** The security pod that opened the session, and owns it as long as it lives. */
  readonly owner: string;
  /** Reads a page to its end. @throws what `Session.fetch` throws */
  read(path: string, init?: FetchInit): Promise<PageRead>;
  /** Closes the session, and the connections. */
  close(): Promise<void>;
}

export interface PageRead {
  readonly response: SessionResponse;
  readonly body: Uint8Array;
  /** Milliseconds until all of it was there. */
  readonly ms: number;
}

/** Enrols a device and opens a session on it. */
export async function startPhone(o: PhoneOptions): Promise<Phone> {
  const store = o.store ?? memoryStore();
  const options: DeviceOptions & { store: EnrolmentStore } = {
    ...deviceOptions(o),
    store,
  };
  const signal = o.signal && { signal: o.signal };
  await enroll(o.activation, { ...options, deviceName: o.name ?? 'phone', ...signal });
  const device = await Device.load(options);
  try {
    const session = await device.open({
      user: o.user,
      password: o.password,
      origin: demoOrigin,
      ...signal,
    });
    return phoneOf(device, session);
  } catch (error) {
    device.close();
    throw error;
  }
}

/** What the SDK needs to reach the edges from here. */
export function deviceOptions(
  o: Pick<PhoneOptions, 'publicCa' | 'app' | 'listener'>,
): Omit<DeviceOptions, 'store'> & { readonly platform: Platform } {
  return {
    app: o.app ?? demoApp,
    connect: nodeEdges({ ca: readFileSync(o.publicCa) }),
    platform: phonePlatform,
    ...(o.listener && { listener: o.listener }),
  };
}

export function phoneOf(device: Device, session: Session): Phone {
  return {
    device,
    session,
    owner: ownerOf(session.id),
    read: async (path, init) => {
      const start = performance.now();
      const response = await session.fetch(path, init);
      const body = await response.bytes();
      return { response, body, ms: performance.now() - start };
    },
    close: async () => {
      try {
        await session.close();
      } finally {
        device.close();
      }
    },
  };
}

/**
 * A session id is `<route key>.<opener>.<random>.<MAC>`, and the pod that opens a session is the one that
 * its route key hashes to.
 */
export function ownerOf(sessionId: string): string {
  return sessionId.split('.')[1] ?? '';
}

/** An event of the SDK, as the demo tells it. */
export function tellEvent(event: SdkEvent): string {
  switch (event.type) {
    case 'attaching':
      return 'looking for a proxy';
    case 'attached':
      return `attached to ${event.proxy} through ${event.edge}`;
    case 'detached':
      return `${event.proxy} lets go (${event.reason})`;
    case 'edge-failed':
      return `${event.edge} does not answer (${event.reason})`;
    case 'repeating':
      return `repeating a request, try ${event.attempt} (${event.reason})`;
    case 'resumed':
      return `going on with a body at ${event.from}`;
    case 'key-rotated':
      return `the shared key is now number ${event.version}`;
    case 'ended':
      return `the session is over (${event.reason})`;
  }
}
