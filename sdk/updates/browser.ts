import type { Device } from '../device.ts';
import type { DeliveryClient } from './delivery-client.ts';
import { indexedDbFiles } from './indexed-db-files.ts';
import { type Decompress, Updates } from './updates.ts';

export interface BrowserUpdatesOptions {
  /** Default "stable". */
  readonly channel?: string;
  /** Name of this app's own database in IndexedDB; default "sallyport-updates". */
  readonly database?: string;
  /** Browsers have no Zstandard with dictionaries; without one, packages are downloaded whole. */
  readonly decompress?: Decompress;
}

/**
 * Updates in a browser: files in IndexedDB; `download` gives a Blob, whose bytes are on disk. tuf-js wants three of
 * Node's built-in modules: bundle `builtins/` in their place, as sdk/README.md says.
 */
export const browserUpdates = (
  device: Pick<Device, 'delivery'>,
  { channel, database, decompress }: BrowserUpdatesOptions = {},
  client?: DeliveryClient,
): Updates<Blob> => new Updates(device, { files: indexedDbFiles(database), channel, decompress }, client);
