import { demoApp, demoOrigin } from '#compose/demo/app.ts';
import { deviceOptions } from '#compose/demo/phone.ts';
import type { Mesh } from '#compose/runner/mesh.ts';
import { Device } from '#sdk/device.ts';
import { enroll } from '#sdk/enroll.ts';
import { memoryStore } from '#sdk/enrolment-store.ts';
import type { SdkListener } from '#sdk/events.ts';
import type { Tracer } from '#sdk/trace.ts';
import { activationFor, demoPassword } from './mesh.ts';

export interface TestDevice {
  readonly device: Device;
  /** What its sessions are opened with. */
  readonly credentials: { readonly user: string; readonly password: string; readonly origin: string };
}

/** A device that is enrolled for the demo's user, by way of an edge, and has no session yet. */
export async function enrolDevice(
  mesh: Pick<Mesh, 'stateDir' | 'publicCa' | 'demo'>,
  /** `streams: false`: it sends one call a request, as browsers do. */
  o: {
    readonly listener?: SdkListener;
    readonly tracer?: Tracer;
    readonly streams?: boolean;
    readonly activation?: string;
  } = {},
): Promise<TestDevice> {
  const given = deviceOptions({ publicCa: mesh.publicCa, ...(o.listener && { listener: o.listener }) });
  const options = {
    ...given,
    app: demoApp,
    store: memoryStore(),
    ...(o.tracer && { tracer: o.tracer }),
    connect: (url: string) => {
      const edge = given.connect(url);
      return { ...edge, streams: o.streams ?? edge.streams };
    },
  };
  await enroll(o.activation ?? (await activationFor(mesh)), { ...options, deviceName: 'test phone' });
  return {
    device: await Device.load(options),
    credentials: { user: mesh.demo.user, password: demoPassword(mesh), origin: demoOrigin },
  };
}
