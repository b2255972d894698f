import { demoApp } from '#compose/demo/app.ts';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import type { SdkEvent } from '#sdk/events.ts';
import type { MeshFacts } from '#services/cli/mesh/mesh-of-state.ts';
import { askSecurity } from '#services/cli/operator.ts';
import { enrolDevice, type TestDevice } from '#test/mesh-device.ts';
import { claimsOf } from './answers.ts';
import type { LoadDevice } from './context.ts';
import type { Recording } from './recording.ts';
import type { Trail } from './trail.ts';

/** As many password hashes and handshakes at a time as two cores can use. */
const atOnce = 6;

export interface NamedDevice extends TestDevice {
  readonly name: string;
}

/** Devices that are enrolled, without sessions. What their SDKs tell goes to the trail and is recorded. */
export async function enrolDevices(
  mesh: MeshFacts,
  count: number,
  trail: Trail,
  recording: Recording,
): Promise<NamedDevice[]> {
  const { user } = mesh.demo;
  const strings = await askSecurity(mesh, KeyStore, (keyStore) =>
    inParallel(count, async () => {
      const { activation } = await keyStore.createActivation({
        user,
        appId: demoApp.appId,
        ttlSeconds: 3600,
      });
      return activation;
    }),
  );
  return inParallel(count, async (n) => {
    const name = `device-${n}`;
    const [told, attached] = [trail.listener(name), recording.listener(name)];
    const listener = (event: SdkEvent): void => {
      told(event);
      attached(event);
    };
    const device = await enrolDevice(mesh, { activation: strings[n] ?? '', listener });
    return { ...device, name };
  });
}

/**
 * Devices with an open session each, attached, that have each had a page: no pod then answers its first request of all
 * when two hundred come in a second.
 */
export async function openDevices(devices: readonly NamedDevice[]): Promise<LoadDevice[]> {
  return inParallel(devices.length, async (n) => {
    const device = devices[n];
    if (device === undefined) throw new RangeError(`no device ${n}`);
    const session = await device.device.open(device.credentials);
    const response = await session.fetch('/whoami');
    claimsOf(response, await response.text());
    return { ...device, session };
  });
}

/** `count` results, in order, of work of which some goes on at once. */
async function inParallel<T>(count: number, work: (n: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const strand = async (): Promise<void> => {
    while (next < count) {
      const n = next++;
      results[n] = await work(n);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, strand));
  return results;
}
