import type { TargetFile } from '@tufjs/models';
import { EqualVersionError } from 'tuf-js/dist/error.js';
import { TrustedMetadataStore } from 'tuf-js/dist/store.js';
import { labelled } from '../../core/channel/bytes.ts';
import { labels } from '../../core/channel/constants.ts';
import type { ChannelCrypto } from '../../core/channel/crypto.ts';
import { identityDigest } from '../../core/channel/server-keys.ts';
import { SallyportError } from '../../core/errors/error.ts';
import type { DeliveryClient } from './delivery-client.ts';
import { bytesOf, replaceFile, type UpdateFiles } from './update-files.ts';

export interface TrustOptions {
  readonly client: Pick<DeliveryClient, 'metadata'>;
  /** Where metadata is kept: by what was seen before, rollbacks are known. */
  readonly files: UpdateFiles<unknown>;
  readonly crypto: ChannelCrypto;
  /** SHA-256 of the tier's identity key, pinned when this device enrolled. */
  readonly identityDigest: Uint8Array;
}

/** What is signed about a package, by its path. Undefined: nothing. */
export type SignedTargets = (path: string) => Promise<TargetFile | undefined>;

/** Bytes that are taken of a role at most, where nothing signed says less. */
const longest = { root: 64 * 1024, timestamp: 16 * 1024, snapshot: 2 ** 20, targets: 5_000_000 };
const mostRootRotations = 256;

/**
 * Brings the signed metadata up to date, by the client workflow of TUF 1.0 (section 5; the numbers below are its).
 * What is believed is tuf-js' judgement (`TrustedMetadataStore`); its `Updater`, which reads and writes files as Node
 * does, is what this takes the place of. The first root is believed because the identity that this device has pinned
 * signed it. @throws UPDATE_UNTRUSTED, UNTRUSTED_SERVER; NOT_FOUND when nothing is published; UNAVAILABLE
 */
export async function refreshTrust(options: TrustOptions): Promise<SignedTargets> {
  const { client, files } = options;
  const kept = (role: string): Promise<Buffer | undefined> =>
    ownWords(async () => {
      const found = await files.read(fileName(role));
      return found && Buffer.from(await bytesOf(found));
    });
  const keep = (role: string, body: Uint8Array): Promise<void> =>
    ownWords(() => replaceFile(files, fileName(role), (out) => out.write(body)));
  /** Undefined: there is none. Version 0: the newest. */
  const fetched = async (role: string, version: number, most: number): Promise<Buffer | undefined> => {
    const found = await ownWords(() => client.metadata(role, version)).catch((error: SallyportError) => {
      if (error.reason !== 'NOT_FOUND') throw error;
      return undefined;
    });
    if (found && found.body.length > most) throw new Error(`${role} has more than ${most} bytes`);
    return found && Buffer.from(found.body);
  };
  /** What is kept, where that is still good, or else what is fetched. */
  const current = async (
    role: string,
    { version, length }: { readonly version: number; readonly length?: number | undefined },
    most: number,
    take: (body: Buffer, wasKept: boolean) => void,
  ): Promise<void> => {
    const before = await kept(role);
    if (before && isGood(() => take(before, true))) return;
    const body = await fetched(role, version, length ?? most);
    if (body === undefined) throw new Error(`there is no ${role} of version ${version}`);
    try {
      take(body, false);
    } catch (cause) {
      throw new Error(`${role}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
    await keep(role, body);
  };

  let root = await kept('root');
  if (root === undefined || !isGood(() => JSON.parse(root?.toString() ?? ''))) {
    root = await firstRoot(options);
    await keep('root', root);
  }
  const first = root;
  return judged(async () => {
    const trusted = new TrustedMetadataStore(first);
    // 5.3
    for (let n = 0; n < mostRootRotations; n++) {
      const body = await fetched('root', trusted.root.signed.version + 1, longest.root);
      if (body === undefined) break;
      trusted.updateRoot(body);
      await keep('root', body);
    }
    // 5.4: the one that is kept, even if it has run out, so that none that is older is taken.
    const seen = await kept('timestamp');
    if (seen) isGood(() => trusted.updateTimestamp(seen));
    const newest = await fetched('timestamp', 0, longest.timestamp);
    if (newest === undefined) throw new Error('there is no timestamp');
    if (isNew(() => trusted.updateTimestamp(newest))) await keep('timestamp', newest);
    // 5.5
    const { timestamp } = trusted;
    if (timestamp === undefined) throw new Error('there is no timestamp');
    await current('snapshot', timestamp.signed.snapshotMeta, longest.snapshot, (body, wasKept) =>
      trusted.updateSnapshot(body, wasKept),
    );
    // 5.6
    const load = async (role: string, parent: string): Promise<void> => {
      const meta = trusted.snapshot?.signed.meta[`${role}.json`];
      if (meta === undefined) throw new Error(`the snapshot does not name ${role}`);
      await current(role, meta, longest.targets, (body) =>
        trusted.updateDelegatedTargets(body, role, parent),
      );
    };
    await load('targets', 'root');
    return (path) => judged(() => findTarget(trusted, load, path));
  });
}

/** In the targets, and in the roles that they delegate the path to: the catalogue has one per app, and none below. */
async function findTarget(
  trusted: TrustedMetadataStore,
  load: (role: string, parent: string) => Promise<void>,
  path: string,
): Promise<TargetFile | undefined> {
  const targets = trusted.targets?.signed;
  const own = targets?.targets[path];
  if (own) return own;
  for (const { role, terminating } of targets?.delegations?.rolesForTarget(path) ?? []) {
    if (!trusted.getRole(role)) await load(role, 'targets');
    const found = trusted.getRole(role)?.signed.targets[path];
    if (found || terminating) return found;
  }
  return undefined;
}

/** @throws UNTRUSTED_SERVER */
async function firstRoot({ client, crypto, identityDigest: pinned }: TrustOptions): Promise<Buffer> {
  const { body, identitySignature, identityKey } = await client.metadata('root', 0);
  const known = crypto.constantTimeEqual(identityDigest(crypto, identityKey), pinned);
  const message = labelled(labels.catalogueRoot, body);
  if (!known || !crypto.ed25519Verify(identityKey, message, identitySignature)) {
    throw new SallyportError('UNTRUSTED_SERVER', {
      message: "the catalogue's root is not signed by the tier",
    });
  }
  return Buffer.from(body);
}

/** So that a full disk, or a catalogue that cannot be reached, is not taken for tuf-js' judgement. */
async function ownWords<T>(make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (thrown) {
    throw SallyportError.from(thrown);
  }
}

async function judged<T>(judge: () => Promise<T>): Promise<T> {
  try {
    return await judge();
  } catch (cause) {
    if (cause instanceof SallyportError) throw cause;
    throw new SallyportError('UPDATE_UNTRUSTED', {
      message: `the catalogue's metadata: ${cause instanceof Error ? cause.message : String(cause)}`,
      cause,
    });
  }
}

function isGood(judge: () => unknown): boolean {
  try {
    judge();
    return true;
  } catch {
    return false;
  }
}

/** Not, when it is the version that is known. @throws what is wrong with it */
function isNew(judge: () => unknown): boolean {
  try {
    judge();
    return true;
  } catch (error) {
    if (error instanceof EqualVersionError) return false;
    throw error;
  }
}

const fileName = (role: string): string => `metadata/${encodeURIComponent(role)}.json`;
