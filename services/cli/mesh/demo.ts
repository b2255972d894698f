import { statSync } from 'node:fs';
import { demoApp, demoOrigin } from '#compose/demo/app.ts';
import { phoneOf } from '#compose/demo/phone.ts';
import type { CommandContext } from '../command.ts';
import { devicePath } from '../device/device-file.ts';
import { enrollDevice } from '../device/enroll.ts';
import { readSecretFile } from '../device/read-secret.ts';
import { keepSession, withDevice } from '../device/this-device.ts';
import { runningMesh } from './mesh-of-state.ts';

const pages = ['/', '/news', '/whoami'];
const name = 'phone';

/**
 * A phone that reads the demo's intranet, told step by step. It stays enrolled and logged in, for
 * `device get`, and a later demo on the same folder needs no new enrolment. Returns who holds its session.
 */
export async function runDemo(command: CommandContext): Promise<string> {
  const { report, stateDir, signal } = command;
  const mesh = runningMesh(stateDir);
  const { user, passwordFile } = mesh.demo;
  const options = { name, user, app: demoApp.appId, appVersion: demoApp.version };
  if (statSync(devicePath(stateDir, name), { throwIfNoEntry: false }) === undefined) {
    const { deviceId } = await enrollDevice(mesh, options, command);
    report.progress(`phone: enrolled for ${user} as device ${deviceId}`);
  } else {
    report.progress('phone: enrolled since an earlier start');
  }
  const told = { ...options, tell: (line: string) => report.progress(`phone: ${line}`) };
  return withDevice(mesh, told, command, async (device) => {
    const password = await readSecretFile(passwordFile, command);
    const session = await device.open({ user, password, origin: demoOrigin, signal });
    const phone = phoneOf(device, session);
    keepSession(stateDir, name, device, session);
    report.progress(`phone: ${user} has logged in; ${phone.owner} holds the session`);
    for (const path of pages) {
      const { response, body, ms } = await phone.read(path, { signal });
      report.progress(
        `phone: GET ${path} → ${response.status}, ${body.length} bytes by ${response.proxy} in ${Math.round(ms)} ms`,
      );
    }
    return phone.owner;
  });
}
