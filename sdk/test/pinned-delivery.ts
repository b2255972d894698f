import type { Device } from '../device.ts';
import { defaultPlatform } from '../platform.ts';

/** What updates need of a device that asks no edge: it believes what the identity of this digest has signed. */
export function pinnedDelivery(
  app: Device['delivery']['app'],
  identityDigest: Uint8Array,
): Pick<Device, 'delivery'> {
  const unused = (): never => {
    throw new Error('this device has no edges');
  };
  const delivery = {
    platform: defaultPlatform,
    app,
    tierNow: () => Date.now(),
    enrolment: () => ({
      identityDigest,
      ...{ routeKey: '', deviceId: '', user: '', appId: app.appId, edges: [] },
      ...{ sharedKey: new Uint8Array(32), sharedKeyVersion: 1, strongestSuite: 1 },
    }),
    get edges() {
      return unused();
    },
  };
  return { delivery };
}
