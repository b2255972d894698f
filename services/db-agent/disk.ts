import { statfs } from 'node:fs/promises';

/** Bytes left below which a disk counts as full, and above which it does not any more. */
const fullBelow = 16 * 2 ** 20;
const roomFrom = 64 * 2 ** 20;

/** Room on the disk of a folder. MySQL itself waits for room, silently, for as long as there is none. */
export class Disk {
  readonly #folder: string;
  readonly #free: (folder: string) => Promise<number>;
  #full = false;

  /** @param free bytes that are left to this user where the folder is; rejects if it is not there */
  constructor(folder: string, free = freeBytes) {
    this.#folder = folder;
    this.#free = free;
  }

  /** As of the last look. */
  get full(): boolean {
    return this.#full;
  }

  /** Looks again; resolves to whether that has changed anything. */
  async look(): Promise<boolean> {
    let left: number;
    try {
      left = await this.#free(this.#folder);
    } catch {
      // There is no folder yet, so there is nothing to run out of; making it will say what is wrong.
      left = Number.POSITIVE_INFINITY;
    }
    const full = left < (this.#full ? roomFrom : fullBelow);
    const changed = full !== this.#full;
    this.#full = full;
    return changed;
  }
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
