import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TargetFile } from 'tuf-js';
import { isNewer } from '../../core/catalog/rollout.ts';
import { targetPath } from '../../core/catalog/target-path.ts';
import { SallyportError } from '../../core/errors/error.ts';
import type { Device } from '../device.ts';
import type { AppInfo } from '../enrolment.ts';
import { type DeliveryClient, deliveryClient, type UpdateOutcome } from './delivery-client.ts';
import { applyDelta } from './delta.ts';
import { fetchPackage, isFile, type SignedFile } from './fetch-package.ts';
import { refreshTrust, type TrustOptions } from './trusted-metadata.ts';

export type { UpdateOutcome };

/** A release that this device should have. */
export interface Update {
  readonly version: string;
  /** Bytes. */
  readonly length: number;
  /** What is new, for people. */
  readonly notes: string;
  readonly package: SignedFile;
  /** What leads to it from the installed release, if somebody has made that. */
  readonly delta: { readonly file: SignedFile; readonly from: SignedFile } | undefined;
}

export interface Checked {
  /** Undefined: stay as it is. */
  readonly update: Update | undefined;
  /** Sessions are refused to what is installed. */
  readonly mandatory: boolean;
}

export interface UpdatesOptions {
  /** A folder of this app's own: signed metadata that was seen, and packages. */
  readonly dir: string;
  /** Default "stable". */
  readonly channel?: string;
}

export interface DownloadOptions {
  readonly signal?: AbortSignal;
  /** Bytes that came so far, of so many. */
  readonly onProgress?: (bytes: number, length: number) => void;
  /** Path of the package that is installed, where the app has it: then a delta will do. */
  readonly installedPackage?: string;
}

/**
 * Updates of the app from the mesh's catalogue: asked for, downloaded, and verified against what was signed, not
 * against what edge, proxy or pod say. Installing is the platform's. It takes no session.
 */
export class Updates {
  readonly #client: DeliveryClient;
  readonly #app: AppInfo;
  readonly #options: UpdatesOptions;
  readonly #trust: TrustOptions;

  constructor(device: Pick<Device, 'delivery'>, options: UpdatesOptions, client?: DeliveryClient) {
    const parts = device.delivery;
    this.#app = parts.app;
    this.#options = options;
    this.#client = client ?? deliveryClient(parts);
    this.#trust = {
      client: this.#client,
      dir: join(options.dir, 'metadata'),
      crypto: parts.platform.crypto,
      identityDigest: parts.enrolment().identityDigest,
    };
  }

  /**
   * Asks which release this device should have. Signed metadata is read even if it is to stay as it is, so that
   * whoever holds new releases back is noticed when the last one he showed has run out.
   * @throws UPDATE_UNTRUSTED, UNTRUSTED_SERVER, DEVICE_UNKNOWN, ENROLMENT_REVOKED, UNAVAILABLE; NOT_FOUND when the
   *   catalogue is empty
   */
  async check(options: { signal?: AbortSignal } = {}): Promise<Checked> {
    const { version, mandatory } = await this.#client.check(
      this.#options.channel ?? 'stable',
      options.signal,
    );
    const signed = await refreshTrust(this.#trust);
    if (version === '') return { update: undefined, mandatory };
    const installed = this.#app.version;
    const target = await signed(this.#path(version));
    if (target === undefined) throw untrusted(`no release ${version} was signed`);
    const { custom } = target;
    if (custom.version !== version || custom.withdrawn === true) throw untrusted(`${version} was withdrawn`);
    const own = await signed(this.#path(installed));
    // Only a signed withdrawal of what is installed leads back.
    if (!isNewer(version, installed) && own?.custom.withdrawn !== true) {
      throw untrusted(`${version} is no newer than ${installed}`);
    }
    const { length } = target;
    const delta = own && (await signed(this.#path(version, installed)));
    const update = {
      version,
      length,
      notes: String(custom.notes ?? ''),
      package: fileOf(target),
      delta: own && delta && { file: fileOf(delta), from: fileOf(own) },
    };
    return { update, mandatory };
  }

  /**
   * Downloads a release, going on where an earlier call was broken off, and gives the path of the verified package.
   * With the installed package a delta is downloaded, if there is one; whatever is wrong with it, the whole will do.
   * @throws UPDATE_UNTRUSTED, UNAVAILABLE, CANCELLED
   */
  async download(update: Update, options: DownloadOptions = {}): Promise<string> {
    await mkdir(this.#options.dir, { recursive: true, mode: 0o700 });
    const path = this.#file(update.package);
    if (!(await this.#byDelta(update, path, options))) await this.#fetch(update.package, path, options);
    return path;
  }

  async #byDelta(
    { delta, package: wanted }: Update,
    path: string,
    options: DownloadOptions,
  ): Promise<boolean> {
    const old = options.installedPackage;
    if (!delta || old === undefined || !(await isFile(old, delta.from))) return false;
    const [file, made] = [this.#file(delta.file), `${path}.made`];
    try {
      await this.#fetch(delta.file, file, options);
      await applyDelta(old, file, made, wanted.length);
      if (!(await isFile(made, wanted))) return false;
      await rename(made, path);
      return true;
    } catch (thrown) {
      if (SallyportError.from(thrown).reason !== 'UPDATE_UNTRUSTED') throw thrown;
      return false;
    } finally {
      await rm(made, { force: true });
    }
  }

  #fetch(file: SignedFile, path: string, { signal, onProgress }: DownloadOptions): Promise<void> {
    const told = onProgress && ((bytes: number) => onProgress(bytes, file.length));
    return fetchPackage(file, path, { client: this.#client, signal, onProgress: told });
  }

  #file({ sha256 }: SignedFile): string {
    return join(this.#options.dir, `${sha256}.package`);
  }

  /** Tells what became of a release on this device; by it rollouts are halted. @throws UNAVAILABLE, … */
  report(version: string, outcome: UpdateOutcome, options: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#client.report(version, outcome, options.signal);
  }

  #path(version: string, fromVersion?: string): string {
    const { appId, platform } = this.#app;
    return targetPath({ appId, platform: platform.toLowerCase(), version, fromVersion });
  }
}

/** @throws UPDATE_UNTRUSTED */
function fileOf({ length, hashes }: TargetFile): SignedFile {
  const { sha256 } = hashes;
  if (sha256 === undefined) throw untrusted('the package was signed without SHA-256');
  return { length, sha256 };
}

const untrusted = (message: string): SallyportError => new SallyportError('UPDATE_UNTRUSTED', { message });
