import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Fetcher, type TargetFile, Updater } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { labelled } from '../../core/channel/bytes.ts';
import { labels } from '../../core/channel/constants.ts';
import type { ChannelCrypto } from '../../core/channel/crypto.ts';
import { identityDigest } from '../../core/channel/server-keys.ts';
import { SallyportError } from '../../core/errors/error.ts';
import type { DeliveryClient } from './delivery-client.ts';

export interface TrustOptions {
  readonly client: Pick<DeliveryClient, 'metadata'>;
  /** Where metadata is kept: by what was seen before, rollbacks are known. */
  readonly dir: string;
  readonly crypto: ChannelCrypto;
  /** SHA-256 of the tier's identity key, pinned when this device enrolled. */
  readonly identityDigest: Uint8Array;
}

/** What is signed about a package, by its path. Undefined: nothing. */
export type SignedTargets = (path: string) => Promise<TargetFile | undefined>;

const base = 'catalogue:/';

/**
 * Brings the signed metadata up to date, by the client workflow of TUF 1.0 (section 5). The first root is believed
 * because the identity that this device has pinned signed it.
 * @throws UPDATE_UNTRUSTED, UNTRUSTED_SERVER; NOT_FOUND when nothing is published; UNAVAILABLE
 */
export async function refreshTrust(options: TrustOptions): Promise<SignedTargets> {
  await mkdir(options.dir, { recursive: true, mode: 0o700 });
  const kept = await readFile(join(options.dir, 'root.json')).catch(() => undefined);
  if (kept === undefined || !isJson(kept)) await trustFirstRoot(options);
  const fetcher = fetcherOf(options.client);
  const judged = async <T>(judge: () => Promise<T>): Promise<T> => {
    try {
      return await judge();
    } catch (cause) {
      // tuf-js makes texts of some errors; that the catalogue could not be reached is none of its judgements.
      if (fetcher.failure !== undefined) throw fetcher.failure;
      throw new SallyportError('UPDATE_UNTRUSTED', {
        message: `the catalogue's metadata: ${cause instanceof Error ? cause.message : String(cause)}`,
        cause,
      });
    }
  };
  return judged(async () => {
    const updater = new Updater({
      metadataDir: options.dir,
      metadataBaseUrl: base,
      fetcher,
      config: { rootMaxLength: 64 * 1024, timestampMaxLength: 16 * 1024, snapshotMaxLength: 2 ** 20 },
    });
    await updater.refresh();
    return (path) => judged(() => updater.getTargetInfo(path));
  });
}

/** @throws UNTRUSTED_SERVER */
async function trustFirstRoot({ client, crypto, dir, identityDigest: pinned }: TrustOptions): Promise<void> {
  const { body, identitySignature, identityKey } = await client.metadata('root', 0);
  const known = crypto.constantTimeEqual(identityDigest(crypto, identityKey), pinned);
  const message = labelled(labels.catalogueRoot, body);
  if (!known || !crypto.ed25519Verify(identityKey, message, identitySignature)) {
    throw new SallyportError('UNTRUSTED_SERVER', {
      message: "the catalogue's root is not signed by the tier",
    });
  }
  const file = join(dir, 'root.json');
  await writeFile(`${file}.new`, body, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/** tuf-js asks for files: `timestamp.json`, `3.root.json`, `2.app.com.example.json`. */
function fetcherOf(
  client: Pick<DeliveryClient, 'metadata'>,
): Fetcher & { failure: SallyportError | undefined } {
  const fetcher = {
    failure: undefined as SallyportError | undefined,
    downloadBytes: async (url: string, maxLength: number): Promise<Buffer> => {
      const file = /^(?:(\d+)\.)?(.+)\.json$/.exec(decodeURIComponent(url.slice(url.lastIndexOf('/') + 1)));
      const [, version = '0', role = ''] = file ?? [];
      let body: Uint8Array;
      try {
        ({ body } = await client.metadata(role, Number(version)));
      } catch (thrown) {
        const error = SallyportError.from(thrown);
        if (error.reason === 'NOT_FOUND') throw new DownloadHTTPError('there is no such file', 404);
        fetcher.failure = error;
        throw error;
      }
      if (body.length > maxLength) throw new Error(`${role} has more than ${maxLength} bytes`);
      return Buffer.from(body);
    },
    downloadFile: () => Promise.reject(new Error('packages are not read by tuf-js')),
  };
  return fetcher;
}

function isJson(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString());
    return true;
  } catch {
    return false;
  }
}
