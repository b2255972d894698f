import { statSync } from 'node:fs';
import { demoApp } from '#compose/demo/app.ts';
import { deviceOptions } from '#compose/demo/phone.ts';
import { SallyportError } from '#core/errors/error.ts';
import { enroll, readActivation } from '#sdk/enroll.ts';
import type { CommandContext } from '../command.ts';
import { UsageError } from '../failure.ts';
import { type MeshFacts, runningMesh } from '../mesh/mesh-of-state.ts';
import { createActivation } from '../operator.ts';
import type { Outcome } from '../report.ts';
import { devicePath, deviceStore, holdName } from './device-file.ts';
import type { EnrollOptions } from './device-options.ts';
import { sdkListener } from './listener.ts';
import { readSecretFile } from './read-secret.ts';

/** `sallyport device enroll` */
export async function runEnroll(options: EnrollOptions, command: CommandContext): Promise<Outcome> {
  const mesh = runningMesh(command.stateDir);
  const user = options.user ?? (options.activationFile === undefined ? mesh.demo.user : undefined);
  if (options.activationFile !== undefined && user !== undefined) {
    throw new UsageError('an activation string names its user itself', 'leave --user out');
  }
  const { report } = command;
  const enrolled = await enrollDevice(mesh, { ...options, ...(user !== undefined && { user }) }, command);
  report.say(`${options.name} is enrolled for ${enrolled.user} as device ${enrolled.deviceId}.`);
  report.say(`Next: sallyport device open${options.name === 'phone' ? '' : ` --name ${options.name}`}`);
  return { ok: true, items: { device: options.name, ...enrolled } };
}

/** Enrols a device of this machine, with a given activation or with one that the operator makes for it. */
export async function enrollDevice(
  mesh: MeshFacts,
  options: EnrollOptions,
  command: CommandContext,
): Promise<{ deviceId: string; routeKey: string; user: string }> {
  const release = holdName(command.stateDir, options.name);
  try {
    return await enrollHeld(mesh, options, command);
  } finally {
    release();
  }
}

async function enrollHeld(
  mesh: MeshFacts,
  options: EnrollOptions,
  command: CommandContext,
): Promise<{ deviceId: string; routeKey: string; user: string }> {
  const { stateDir, signal } = command;
  const { name } = options;
  const taken = statSync(devicePath(stateDir, name), { throwIfNoEntry: false }) !== undefined;
  if (taken && options.force !== true) {
    throw new SallyportError('ALREADY_EXISTS', {
      message: `there is a device ${name} on this machine`,
      hint: '--force enrols it anew, or choose another --name',
    });
  }
  const activation =
    options.activationFile === undefined
      ? await createActivation(
          { stateDir, pods: mesh.pods },
          { user: options.user ?? mesh.demo.user, appId: options.app, signal },
        )
      : await readSecretFile(options.activationFile, command);
  const app = {
    platform: demoApp.platform,
    appId: readActivation(activation).appId,
    version: options.appVersion,
  };
  const store = deviceStore(stateDir, name, app);
  const { deviceId, routeKey, user } = await enroll(activation, {
    ...deviceOptions({
      publicCa: mesh.publicCa,
      app: { ...demoApp, ...app },
      ...sdkListener(options, command),
    }),
    deviceName: name,
    signal,
    store: {
      ...store,
      // Not before the new one is agreed: until then the old enrolment is the one that works.
      save: async (enrolment) => {
        await store.remove();
        await store.save(enrolment);
      },
    },
  });
  return { deviceId, routeKey, user };
}
