import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import {
  isAlive,
  type ProcessIdentity,
  processIdentity,
  startTimeOf,
} from '#kernel/lifecycle/process-identity.ts';
import { decodeEnrolment, encodeEnrolment } from '#sdk/enrolment.ts';
import type { EnrolmentStore } from '#sdk/enrolment-store.ts';

/** What this machine keeps of a device that the CLI plays. Secret; `<state>/devices/<name>.json`, 0600. */
const deviceFile = z.object({
  format: z.literal(1),
  app: z.object({ platform: z.string(), appId: z.string(), version: z.string() }),
  /** As the SDK writes them. */
  enrolment: z.string().optional(),
  session: z.string().optional(),
});
export type DeviceFile = z.infer<typeof deviceFile>;

const nameRule = /^[a-z0-9][a-z0-9-]{0,39}$/;

/** @throws INVALID_FIELD */
export function devicePath(stateDir: string, name: string): string {
  if (!nameRule.test(name)) {
    throw new SallyportError('INVALID_FIELD', {
      message: `${JSON.stringify(name.slice(0, 60))} is not the name of a device`,
      hint: 'use up to 40 of a-z, 0-9 and -, beginning with a letter or digit',
    });
  }
  return join(stateDir, 'devices', `${name}.json`);
}

/** @throws NOT_FOUND when there is no such device; MALFORMED, without its text, when it cannot be read */
export function readDevice(stateDir: string, name: string): DeviceFile {
  const path = devicePath(stateDir, name);
  if (statSync(path, { throwIfNoEntry: false }) === undefined) {
    const others = devicesOf(stateDir);
    throw new SallyportError('NOT_FOUND', {
      message: `there is no device ${name} on this machine`,
      hint:
        others.length === 0
          ? '`sallyport device enroll --user NAME` makes one'
          : `enrol it, or choose one with --name: ${others.join(', ')}`,
    });
  }
  const parsed = deviceFile.safeParse(parseJson(readFileSync(path, 'utf8')));
  if (parsed.success) return parsed.data;
  throw new SallyportError('MALFORMED', {
    message: `${path} cannot be read`,
    hint: 'remove it and enrol again',
  });
}

/** Replaced whole, readable by its owner only. */
export function writeDevice(stateDir: string, name: string, device: DeviceFile): void {
  const path = devicePath(stateDir, name);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.new`;
  writeFileSync(temporary, `${JSON.stringify(device, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(temporary, path);
}

/**
 * Keeps others from enrolling a device of that name meanwhile; gives what ends that. Who died while he did keeps nobody.
 * @throws ALREADY_EXISTS
 */
export function holdName(stateDir: string, name: string): () => void {
  const path = `${devicePath(stateDir, name)}.enrolling`;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // Linked, so that it is there whole or not at all.
  const own = `${path}.${process.pid}`;
  writeFileSync(own, JSON.stringify({ pid: process.pid, startTime: startTimeOf(process.pid) ?? '?' }), {
    mode: 0o600,
  });
  try {
    const before = holderOf(path);
    if (before !== undefined && !isAlive(before)) rmSync(path, { force: true });
    linkSync(own, path);
    return () => rmSync(path, { force: true });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    throw new SallyportError('ALREADY_EXISTS', {
      message: `process ${holderOf(path)?.pid ?? '?'} is enrolling a device ${name}`,
      hint: 'wait until it has ended, or choose another --name',
    });
  } finally {
    rmSync(own, { force: true });
  }
}

function holderOf(path: string): ProcessIdentity | undefined {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  return processIdentity.safeParse(parseJson(readFileSync(path, 'utf8'))).data;
}

/** The device's file as the place where the SDK keeps the enrolment. */
export function deviceStore(stateDir: string, name: string, app: DeviceFile['app']): EnrolmentStore {
  const path = devicePath(stateDir, name);
  const held = (): DeviceFile =>
    statSync(path, { throwIfNoEntry: false }) === undefined ? { format: 1, app } : readDevice(stateDir, name);
  return {
    load: async () => {
      const { enrolment } = held();
      return enrolment === undefined ? undefined : decodeEnrolment(enrolment);
    },
    save: async (enrolment) => {
      writeDevice(stateDir, name, { ...held(), enrolment: encodeEnrolment(enrolment) });
    },
    remove: async () => rmSync(path, { force: true }),
  };
}

function devicesOf(stateDir: string): string[] {
  const dir = join(stateDir, 'devices');
  if (statSync(dir, { throwIfNoEntry: false }) === undefined) return [];
  return readdirSync(dir).flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -'.json'.length)] : []));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which holds keys; the caller says which file it is.
    return undefined;
  }
}
