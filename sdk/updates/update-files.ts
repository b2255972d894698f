/**
 * Where an installation keeps what updates need: signed metadata that was seen, and packages. Names are relative paths
 * with `/`. Two implementations pass `update-files.contract.ts`: a folder on Node (`folder-files.ts`), IndexedDB in
 * browsers (`indexed-db-files.ts`). P is what the app is given of a package: a path, a Blob.
 */
export interface UpdateFiles<P> {
  /** Of what is there now; its bytes are read when they are asked for. Undefined: nothing is there, or no byte. */
  read(name: string): Promise<Blob | undefined>;
  /** To write on behind what is there. */
  append(name: string): Promise<FileWriter>;
  /** At once; whatever was at `to` is gone. @throws NOT_FOUND */
  rename(from: string, to: string): Promise<void>;
  /** Harmless when there is none. */
  remove(name: string): Promise<void>;
  names(): Promise<readonly string[]>;
  /** What the app installs from. @throws NOT_FOUND */
  handOver(name: string): Promise<P>;
}

export interface FileWriter {
  /** Resolves when more can be taken; keeps at most 1 MiB in memory. */
  write(data: Uint8Array): Promise<void>;
  /** Resolves when all that was written would survive a crash. */
  close(): Promise<void>;
}

/** Writes a file whole: after a crash there is the old one or the new one. */
export async function replaceFile<P>(
  files: UpdateFiles<P>,
  name: string,
  write: (out: FileWriter) => Promise<void>,
): Promise<void> {
  const fresh = `${name}.new`;
  await files.remove(fresh);
  const out = await files.append(fresh);
  try {
    await write(out);
  } finally {
    await out.close();
  }
  await files.rename(fresh, name);
}

/** The bytes of a file that is known to be small, or of a part of one. */
export async function bytesOf(blob: Blob): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await blob.arrayBuffer());
}
