import { demoApp, demoOrigin } from '#compose/demo/app.ts';
import { deviceOptions } from '#compose/demo/phone.ts';
import { SallyportError } from '#core/errors/error.ts';
import { Device } from '#sdk/device.ts';
import type { Session } from '#sdk/session.ts';
import type { CommandContext } from '../command.ts';
import type { MeshFacts } from '../mesh/mesh-of-state.ts';
import { deviceStore, readDevice, writeDevice } from './device-file.ts';
import type { DeviceCommandOptions } from './device-options.ts';
import { sdkListener } from './listener.ts';

/** Runs `body` with the device of this machine, and gives its connections up. @throws NOT_FOUND */
export async function withDevice<T>(
  mesh: Pick<MeshFacts, 'publicCa'>,
  options: DeviceCommandOptions,
  command: CommandContext,
  body: (device: Device) => Promise<T>,
): Promise<T> {
  const { stateDir } = command;
  const { app } = readDevice(stateDir, options.name);
  const { listener } = sdkListener(options, command);
  let closing = false;
  const device = await Device.load({
    ...deviceOptions({
      publicCa: mesh.publicCa,
      app: { ...demoApp, ...app },
      listener: (event) => {
        // That connections end then is no news.
        if (!closing) listener?.(event);
      },
    }),
    store: deviceStore(stateDir, options.name, app),
  });
  try {
    return await body(device);
  } finally {
    closing = true;
    device.close();
  }
}

export function keepSession(stateDir: string, name: string, device: Device, session: Session): void {
  writeDevice(stateDir, name, { ...readDevice(stateDir, name), session: device.save(session) });
}

export function forgetSession(stateDir: string, name: string): void {
  const { session: _, ...rest } = readDevice(stateDir, name);
  writeDevice(stateDir, name, rest);
}

/** The session that `device open` has left. @throws SESSION_UNKNOWN */
export function keptSession(stateDir: string, name: string, device: Device): Session {
  const { session } = readDevice(stateDir, name);
  if (session !== undefined) return device.resume(session, { origin: demoOrigin });
  throw new SallyportError('SESSION_UNKNOWN', {
    message: `${name} has no open session`,
    hint: `\`sallyport device open --name ${name}\` opens one`,
  });
}
