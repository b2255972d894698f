import assert from 'node:assert/strict';
import type { Header } from '../../core/channel/multiplex/messages.ts';
import { Device } from '../device.ts';
import { enroll } from '../enroll.ts';
import { memoryStore } from '../enrolment-store.ts';
import type { SdkEvent } from '../events.ts';
import { defaultPlatform, type Platform } from '../platform.ts';
import type { Session } from '../session.ts';
import { FakeMesh } from './fake-mesh.ts';
import type { Backend } from './fake-proxy.ts';

export const app = { platform: 'linux', appId: 'app', version: '1.0' };
export const credentials = { user: 'anna', password: 'correct horse', origin: 'https://intranet.example' };
/** Always begins with edge-0, and does not wait long. */
export const platform: Platform = { ...defaultPlatform, random: () => 0 };

export interface Opened {
  readonly mesh: FakeMesh;
  readonly device: Device;
  readonly session: Session;
  readonly events: SdkEvent[];
}

/** An enrolled device with an open session on a mesh with that backend. */
export async function opened(
  backend: Backend,
  streams: boolean,
  time: Partial<Pick<Platform, 'sleep' | 'monotonic'>> = {},
): Promise<Opened> {
  const mesh = await FakeMesh.start(backend);
  const connect = mesh.connect(streams);
  const store = memoryStore();
  const events: SdkEvent[] = [];
  const activation = mesh.tier.activation(mesh.urls);
  await enroll(activation, { app, deviceName: 'phone', connect, store, platform });
  const device = await Device.load({
    app,
    connect,
    store,
    platform: { ...platform, ...time },
    listener: (event) => events.push(event),
  });
  return { mesh, device, session: await device.open(credentials), events };
}

type Answered = Awaited<ReturnType<Backend>>;

/** A whole answer. */
export function answer(status: number, text = '', headers: Record<string, string> = {}): Answered {
  return answerOf(status, headers, [new TextEncoder().encode(text)]);
}

export function answerOf(
  status: number,
  headers: Record<string, string>,
  body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Answered {
  const fields: Header[] = Object.entries(headers).map(([name, value]) => ({ name, value }));
  return { head: { status, headers: fields }, body: nonEmpty(body) };
}

async function* nonEmpty(body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) if (chunk.length > 0) yield chunk;
}

/** A promise and the way to settle it; for tests that hold something up. */
export function gate(): { passed: Promise<void>; open: () => void } {
  let open = (): void => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

export const reasonIs =
  (reason: string) =>
  (error: unknown): boolean =>
    error instanceof Error && 'reason' in error && error.reason === reason;

/** Resolves when it holds; the test’s own time is its bound. */
export async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 5000;
  while (!condition()) {
    assert.ok(Date.now() < end, 'it did not come about in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
