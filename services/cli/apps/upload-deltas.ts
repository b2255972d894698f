import { createHash } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@connectrpc/connect';
import { SallyportError } from '#core/errors/error.ts';
import type { AppCatalog, Release } from '#gen/sallyport/catalog/v1/catalog_pb.js';
import { makeDelta } from '#sdk/updates/make-delta.ts';
import { type PackageToUpload, together, type UploadOptions, uploadPackage } from './upload-package.ts';

export interface MadeDelta {
  readonly fromVersion: string;
  /** Bytes. */
  readonly length: number;
  /** Share of the package, 0 to 1. */
  readonly share: number;
  /** Not, when it saves too little. */
  readonly uploaded: boolean;
}

/** A delta that is larger than this share of the package is not worth that devices keep the old one for it. */
const largestShare = 0.75;
const chunkBytes = 128 * 1024;

/**
 * Makes the deltas to a published package, and uploads those that save something: from the releases that a channel of
 * the app offers now, or from those that are named. They are made here, so that the tier has not to.
 * @throws NOT_FOUND when a version that is named was not published
 */
export async function uploadDeltas(
  client: Client<typeof AppCatalog>,
  { file, name }: Pick<PackageToUpload, 'file' | 'name'>,
  from: readonly string[] | undefined,
  options: UploadOptions,
): Promise<readonly MadeDelta[]> {
  const { signal } = options;
  const { appId, platform } = name;
  const releases = await releasesOf(client, appId, signal);
  const mine = releases.filter(
    (each) => each.name?.platform === platform && each.name.version !== name.version,
  );
  const wanted = new Set(from ?? (await offered(client, name, signal)));
  for (const version of from ?? []) {
    if (mine.some((each) => each.name?.version === version)) continue;
    throw new SallyportError('NOT_FOUND', {
      message: `there is no release ${appId} ${version} for ${platform}`,
    });
  }
  const dir = await mkdtemp(join(tmpdir(), 'sallyport-delta-'));
  try {
    const made: MadeDelta[] = [];
    for (const old of mine) {
      const fromVersion = old.name?.version ?? '';
      if (!wanted.has(fromVersion)) continue;
      const [oldFile, delta] = [join(dir, 'old'), join(dir, 'delta')];
      await readRelease(client, old, oldFile, signal);
      const length = await makeDelta(oldFile, file, delta);
      const share =
        length / Number(releases.find((each) => each.name?.version === name.version)?.length ?? length);
      const uploaded = share <= largestShare;
      if (uploaded) await uploadPackage(client, { file: delta, name, fromVersion }, { signal });
      made.push({ fromVersion, length, share, uploaded });
    }
    return made;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function releasesOf(
  client: Client<typeof AppCatalog>,
  appId: string,
  signal: AbortSignal,
): Promise<readonly Release[]> {
  // More than an app may have.
  const { releases } = await client.listReleases({ appId, pageSize: 1000 }, { signal });
  return releases;
}

/** What devices may have: what channels offer, and what they offered before. */
async function offered(
  client: Client<typeof AppCatalog>,
  { appId, platform }: PackageToUpload['name'],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { channels } = await client.listChannels({ appId }, { signal });
  return channels
    .filter((each) => each.name?.platform === platform)
    .flatMap(({ version, previousVersion }) => [version, previousVersion]);
}

/** @throws UPDATE_UNTRUSTED */
async function readRelease(
  client: Client<typeof AppCatalog>,
  { sha256, length }: Release,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const hash = createHash('sha256');
  const out = await open(path, 'w', 0o600);
  try {
    const pieces = Math.ceil(Number(length) / chunkBytes);
    for (let next = 0; next < pieces; next += together) {
      const count = Math.min(together, pieces - next);
      const read = await Promise.all(
        Array.from({ length: count }, (_, n) => client.readChunk({ sha256, index: next + n }, { signal })),
      );
      for (const { data } of read) {
        hash.update(data);
        await out.write(data);
      }
    }
  } finally {
    await out.close();
  }
  if (!hash.digest().equals(sha256)) throw new SallyportError('UPDATE_UNTRUSTED');
}
