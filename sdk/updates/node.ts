import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import type { Device } from '../device.ts';
import type { DeliveryClient } from './delivery-client.ts';
import type { Decompress } from './delta.ts';
import { folderFiles } from './folder-files.ts';
import { Updates } from './updates.ts';

const decompressed = promisify(zstdDecompress);

export const zstd: Decompress = (frame, dictionary, most) =>
  decompressed(frame, { dictionary, maxOutputLength: most });

export interface NodeUpdatesOptions {
  /** A folder of this app's own, made when it is needed. */
  readonly dir: string;
  /** Default "stable". */
  readonly channel?: string;
}

/** Updates on Node: files in a folder, and deltas; `download` gives a path. */
export const nodeUpdates = (
  device: Pick<Device, 'delivery'>,
  { dir, channel }: NodeUpdatesOptions,
  client?: DeliveryClient,
): Updates<string> =>
  new Updates(
    device,
    { files: folderFiles(dir), decompress: zstd, newHash: () => createHash('sha256'), channel },
    client,
  );
