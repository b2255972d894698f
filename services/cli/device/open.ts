import { demoOrigin } from '#compose/demo/app.ts';
import { ownerOf } from '#compose/demo/phone.ts';
import type { CommandContext } from '../command.ts';
import { runningMesh } from '../mesh/mesh-of-state.ts';
import type { Outcome } from '../report.ts';
import type { DeviceCommandOptions, OpenOptions, StepUpOptions } from './device-options.ts';
import { readPassword, readSecretFile } from './read-secret.ts';
import { forgetSession, keepSession, keptSession, withDevice } from './this-device.ts';

/** `sallyport device open` */
export function runOpen(options: OpenOptions, command: CommandContext): Promise<Outcome> {
  const { stateDir, signal, report } = command;
  return withDevice(runningMesh(stateDir), options, command, async (device) => {
    const user = options.user ?? device.enrolment.user;
    const pin = await readSecretIf(options.pinFile, command);
    const newPin = await readSecretIf(options.newPinFile, command);
    // With a PIN the password is a second way, which somebody has to ask for.
    const asks = pin === undefined || options.passwordFile !== undefined;
    const password = asks ? await readPassword(options.passwordFile, command) : undefined;
    const session = await device.open({
      ...{ user, origin: demoOrigin, signal },
      ...(password !== undefined && { password }),
      ...(pin !== undefined && { pin }),
      ...(newPin !== undefined && { newPin }),
    });
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

/** `sallyport device step-up` */
export function runStepUp(options: StepUpOptions, command: CommandContext): Promise<Outcome> {
  const { stateDir, signal, report } = command;
  return withDevice(runningMesh(stateDir), options, command, async (device) => {
    const pin = await readSecretIf(options.pinFile, command);
    const password =
      pin === undefined || options.passwordFile !== undefined
        ? await readPassword(options.passwordFile, command)
        : undefined;
    const proof = { ...(pin !== undefined && { pin }), ...(password !== undefined && { password }) };
    await keptSession(stateDir, options.name, device).stepUp(proof, { signal });
    report.say('The session has stepped up: ask again for what it was denied.');
    return { ok: true, items: { device: options.name } };
  });
}

const readSecretIf = (file: string | undefined, command: CommandContext): Promise<string | undefined> =>
  file === undefined ? Promise.resolve(undefined) : readSecretFile(file, command);

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
