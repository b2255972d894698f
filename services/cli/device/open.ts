import { demoOrigin } from '#compose/demo/app.ts';
import { ownerOf } from '#compose/demo/phone.ts';
import type { CommandContext } from '../command.ts';
import { runningMesh } from '../mesh/mesh-of-state.ts';
import type { Outcome } from '../report.ts';
import type { DeviceCommandOptions, OpenOptions } from './device-options.ts';
import { readPassword } from './read-secret.ts';
import { forgetSession, keepSession, keptSession, withDevice } from './this-device.ts';

/** `sallyport device open` */
export function runOpen(options: OpenOptions, command: CommandContext): Promise<Outcome> {
  const { stateDir, signal, report } = command;
  return withDevice(runningMesh(stateDir), options, command, async (device) => {
    const user = options.user ?? device.enrolment.user;
    const password = await readPassword(options.passwordFile, command);
    const session = await device.open({ user, password, origin: demoOrigin, signal });
    keepSession(stateDir, options.name, device, session);
    const expiresAt = new Date(session.expiresAtMs).toISOString();
    const owner = ownerOf(session.id);
    report.say(`${user} has a session until ${expiresAt}; ${owner} holds it.`);
    report.say(
      `Next: sallyport device get${options.name === 'phone' ? '' : ` --name ${options.name}`} /news`,
    );
    return { ok: true, items: { device: options.name, user, owner, expiresAt } };
  });
}

/** `sallyport device close` */
export function runClose(options: DeviceCommandOptions, command: CommandContext): Promise<Outcome> {
  const { stateDir, signal, report } = command;
  return withDevice(runningMesh(stateDir), options, command, async (device) => {
    await keptSession(stateDir, options.name, device).close({ signal });
    forgetSession(stateDir, options.name);
    report.say('The session is closed.');
    return { ok: true, items: { device: options.name } };
  });
}
