import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { demoApp } from '#compose/demo/app.ts';
import { deviceOptions } from '#compose/demo/phone.ts';
import { run } from '#compose/parts/run.ts';
import { Device } from '#sdk/device.ts';
import { enroll } from '#sdk/enroll.ts';
import { memoryStore } from '#sdk/enrolment-store.ts';
import { deliveryClient } from '#sdk/updates/delivery-client.ts';
import { nodeUpdates } from '#sdk/updates/node.ts';
import type { Update, Updates } from '#sdk/updates/updates.ts';
import { activationFor, type OwnMesh, ownMesh } from '../../mesh.ts';

export interface World {
  readonly mesh: OwnMesh;
  /** A folder for files, removed at the end. */
  readonly work: string;
  /** `sallyport …` in a process of its own; its JSON. @throws with what it said */
  cli<T>(...args: readonly string[]): Promise<T>;
  /** `sallyport apps …`, of the demo's app. */
  apps<T>(command: string, ...args: readonly string[]): Promise<T>;
  /** A device that has this version installed. */
  enrol(version: string): Promise<Phone>;
  close(): Promise<void>;
}

export interface Phone {
  readonly updates: Updates<string>;
  /** What it asks the catalogue with. */
  readonly device: Device;
  close(): void;
}

const cliMs = 600_000;
const ofApp = ['--app', demoApp.appId, '--platform', demoApp.platform];

export async function makeWorld(say: (line: string) => void): Promise<World> {
  const work = mkdtempSync(join(tmpdir(), 'sp-e2e-catalog-'));
  const remove = (): void => rmSync(work, { recursive: true, force: true, maxRetries: 4 });
  process.once('exit', remove);
  // The mesh takes itself along on SIGTERM.
  process.once('SIGINT', () => process.kill(process.pid, 'SIGTERM'));
  const mesh = await ownMesh({ progress: say });
  const main = join(import.meta.dirname, '..', '..', '..', 'services', 'cli', 'main.ts');
  const cli = async <T>(...args: readonly string[]): Promise<T> => {
    const all = [main, ...args, '--state', mesh.stateDir, '--json'];
    const { ok, ending, stdout, stderr } = await run(process.execPath, all, {
      env: process.env,
      timeoutMs: cliMs,
    });
    if (!ok) throw new Error(`${args.join(' ')}: ${ending}: ${stderr.slice(-1500)}`);
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as T;
  };
  let phones = 0;
  return {
    mesh,
    work,
    cli,
    apps: (command, ...rest) =>
      cli('apps', command, ...rest, ...(['channels', 'rotate-keys'].includes(command) ? [] : ofApp)),
    enrol: async (version) => {
      const options = {
        ...deviceOptions({ publicCa: mesh.publicCa }),
        app: { ...demoApp, version },
        store: memoryStore(),
      };
      await enroll(await activationFor(mesh), { ...options, deviceName: `phone ${phones}` });
      const device = await Device.load(options);
      const dir = join(work, `phone-${phones++}`);
      return { device, updates: nodeUpdates(device, { dir }), close: () => device.close() };
    },
    close: async () => {
      await mesh.close();
      process.off('exit', remove);
      remove();
    },
  };
}

/**
 * Downloads a package as {@link Updates.download} does, but keeps nothing of it: fifty of them need no disk.
 * @throws when it is not what was signed
 */
export async function readThrough(
  { device }: Phone,
  update: Update,
  tell: (bytes: number) => void,
): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  await deliveryClient(device.delivery).read(Buffer.from(update.package.sha256, 'hex'), 0, async (data) => {
    hash.update(data);
    bytes += data.length;
    tell(data.length);
  });
  if (hash.digest('hex') !== update.package.sha256) throw new Error('it is not what was signed');
  if (bytes !== update.length) throw new Error(`${bytes} bytes came for a package of ${update.length}`);
}

/** Watches the resident memory of processes, in MiB, by name. */
export function watchMemory(mesh: OwnMesh, wanted: RegExp) {
  const most = new Map<string, number>();
  const first = new Map<string, number>();
  const look = (): void => {
    for (const { name, identity } of mesh.processes()) {
      if (!wanted.test(name)) continue;
      const mib = residentMib(identity.pid);
      if (mib === undefined) continue;
      if (!first.has(name)) first.set(name, mib);
      most.set(name, Math.max(most.get(name) ?? 0, mib));
    }
  };
  look();
  if (first.size === 0) throw new Error(`no process is called ${wanted}`);
  const timer = setInterval(look, 200);
  return {
    /** By how much the one that grew most has grown. */
    stop: (): { readonly grown: number; readonly most: number } => {
      clearInterval(timer);
      look();
      const grown = [...most].map(([name, mib]) => mib - (first.get(name) ?? mib));
      return { grown: Math.max(0, ...grown), most: Math.max(0, ...most.values()) };
    },
  };
}

function residentMib(pid: number): number | undefined {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? undefined : Math.round(Number(kib) / 1024);
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}
