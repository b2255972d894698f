import type { TargetFile } from '@tufjs/models';
import { isNewer } from '../../core/catalog/rollout.ts';
import { targetPath } from '../../core/catalog/target-path.ts';
import { SallyportError } from '../../core/errors/error.ts';
import type { Device } from '../device.ts';
import type { AppInfo } from '../enrolment.ts';
import { type DeliveryClient, deliveryClient, type UpdateOutcome } from './delivery-client.ts';
import { applyDelta, type Decompress } from './delta.ts';
import { fetchPackage, type Hash, isSigned, type SignedFile } from './fetch-package.ts';
import { refreshTrust, type TrustOptions } from './trusted-metadata.ts';
import { replaceFile, type UpdateFiles } from './update-files.ts';

export type { Decompress, UpdateFiles, UpdateOutcome };

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

export interface UpdatesOptions<P> {
  /** This app's own: signed metadata that was seen, and packages. */
  readonly files: UpdateFiles<P>;
  /** Without it, packages are downloaded whole. */
  readonly decompress?: Decompress | undefined;
  /** SHA-256 that is faster than the one in JavaScript. */
  readonly newHash?: (() => Hash) | undefined;
  /** Default "stable". */
  readonly channel?: string | undefined;
}

export interface DownloadOptions {
  readonly signal?: AbortSignal;
  /** Bytes that came so far, of so many. */
  readonly onProgress?: (bytes: number, length: number) => void;
  /** The package that is installed, where the app has it (on Node, `fs.openAsBlob`): then a delta will do. */
  readonly installedPackage?: Blob;
}

/**
 * Updates of the app from the mesh's catalogue: asked for, downloaded, and verified against what was signed, not
 * against what edge, proxy or pod say. Installing is the platform's. It takes no session. `nodeUpdates` and
 * `browserUpdates` make one; P is what `download` gives.
 */
export class Updates<P> {
  readonly #client: DeliveryClient;
  readonly #app: AppInfo;
  readonly #options: UpdatesOptions<P>;
  readonly #trust: TrustOptions;

  constructor(device: Pick<Device, 'delivery'>, options: UpdatesOptions<P>, client?: DeliveryClient) {
    const parts = device.delivery;
    this.#app = parts.app;
    this.#options = options;
    this.#client = client ?? deliveryClient(parts);
    this.#trust = {
      client: this.#client,
      files: options.files,
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
   * Downloads a release, going on where an earlier call was broken off, and gives the verified package.
   * With the installed package a delta is downloaded, if there is one; whatever is wrong with it, the whole will do.
   * @throws UPDATE_UNTRUSTED, UNAVAILABLE, CANCELLED
   */
  async download(update: Update, options: DownloadOptions = {}): Promise<P> {
    const name = nameOf(update.package);
    if (!(await this.#byDelta(update, name, options))) await this.#fetch(update.package, name, options);
    return this.#options.files.handOver(name);
  }

  /** Removes packages, also those that came in part: after one was installed. What was seen as signed stays. */
  async clear(): Promise<void> {
    const { files } = this.#options;
    for (const name of await files.names()) if (name.includes(packageEnding)) await files.remove(name);
  }

  async #byDelta(
    { delta, package: wanted }: Update,
    name: string,
    options: DownloadOptions,
  ): Promise<boolean> {
    const { installedPackage: old } = options;
    const { files, decompress, newHash } = this.#options;
    if (!delta || !old || !decompress || !(await isSigned(old, delta.from, newHash))) return false;
    const [deltaName, made] = [nameOf(delta.file), `${name}.made`];
    try {
      await this.#fetch(delta.file, deltaName, options);
      const fetched = (await files.read(deltaName)) ?? new Blob([]);
      await replaceFile(files, made, (out) =>
        applyDelta({ old, delta: fetched, out, newLength: wanted.length, decompress }),
      );
      if (!(await isSigned(await files.read(made), wanted, newHash))) return false;
      await files.rename(made, name);
      return true;
    } catch (thrown) {
      if (SallyportError.from(thrown).reason !== 'UPDATE_UNTRUSTED') throw thrown;
      return false;
    } finally {
      await files.remove(made);
    }
  }

  #fetch(file: SignedFile, name: string, { signal, onProgress }: DownloadOptions): Promise<void> {
    const told = onProgress && ((bytes: number) => onProgress(bytes, file.length));
    const { files, newHash } = this.#options;
    return fetchPackage(file, files, name, { client: this.#client, newHash, signal, onProgress: told });
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

const packageEnding = '.package';
const nameOf = ({ sha256 }: SignedFile): string => `${sha256}${packageEnding}`;

/** @throws UPDATE_UNTRUSTED */
function fileOf({ length, hashes }: TargetFile): SignedFile {
  const { sha256 } = hashes;
  if (sha256 === undefined) throw untrusted('the package was signed without SHA-256');
  return { length, sha256 };
}

const untrusted = (message: string): SallyportError => new SallyportError('UPDATE_UNTRUSTED', { message });
