import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SallyportError } from '#core/errors/error.ts';
import { cliAt, cliJson } from '../cli-runner.ts';
import { type OwnMesh, ownMesh } from '../mesh.ts';
import { enrolDevice, type TestDevice } from '../mesh-device.ts';

/** What the cases work with: a mesh whose edges let administrators in, a phone, and a folder. */
export class CliWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'sp-cli-mesh-'));
  #own: OwnMesh | undefined;
  #phone: TestDevice | undefined;

  async begin(): Promise<void> {
    const meshFile = join(this.folder, 'mesh.yaml');
    writeFileSync(meshFile, 'edge: { admin_api: true }\n');
    this.#own = await ownMesh({ meshFile });
    this.#phone = await enrolDevice(this.#own);
  }

  get own(): OwnMesh {
    return this.#own ?? notBegun();
  }

  get phone(): TestDevice {
    return this.#phone ?? notBegun();
  }

  run(...args: string[]): ReturnType<typeof cliAt> {
    return cliAt(this.own.stateDir, ...args);
  }

  /** With --json, at a command that must do it: the object, of which `T` is what the test looks at. */
  json<T>(...args: string[]): Promise<T> {
    return cliJson<T>(this.own.stateDir, ...args);
  }

  async close(): Promise<void> {
    this.#phone?.device.close();
    await this.#own?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface Listed {
  readonly items: Readonly<Record<string, string>>[];
  readonly nextPage: string;
}

export const hasReason =
  (reason: string) =>
  (error: unknown): boolean =>
    SallyportError.from(error).reason === reason;

const notBegun = (): never => {
  throw new Error('the mesh has not begun');
};
