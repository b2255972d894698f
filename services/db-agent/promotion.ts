import { join } from 'node:path';
import { z } from 'zod';
import { readStateFile, writeStateFile } from '#kernel/config/state-file.ts';

/** That a replica has taken over from the group that it followed. Known by every agent that has heard of it, for good. */
export const promotion = z.object({
  /** The replica. */
  pod: z.string().max(100),
  /** Name of the group that it followed: whoever is of it serves nobody any more. */
  from: z.guid(),
  /** Name of the group that it forms. */
  to: z.guid(),
  atMs: z.number(),
  /** The era that began with it; absent while the data are made ready. */
  era: z.int().optional(),
});
export type Promotion = z.infer<typeof promotion>;

/** More than a mesh will see; the latest are kept. */
const most = 50;
export const promotions = z.array(promotion).max(most);

/**
 * The promotions that an agent knows of, in a file beside the data and not in them: data that are copied, restored or
 * thrown away neither make nor unmake one.
 */
export class Promotions {
  readonly #file: string;
  #all: readonly Promotion[];
  #written = true;

  /** @throws CONFIG_INVALID when the file cannot be read: then nobody knows whether this node may serve */
  constructor(dir: string) {
    this.#file = join(dir, 'promotions.json');
    const about = {
      what: 'a list of promotions',
      hint: 'take it from another database node; without it a site that was superseded would serve',
    };
    this.#all = readStateFile(this.#file, promotions, about) ?? [];
  }

  get all(): readonly Promotion[] {
    return this.#all;
  }

  /** By what the group of that name was superseded. */
  of(groupName: string): Promotion | undefined {
    return this.#all.find(({ from }) => from === groupName);
  }

  /** Known from now on, and on the disk when it returns: as long as it throws. What is known stays, but for an era that was missing. */
  learn(told: readonly Promotion[]): void {
    const news = told.filter((one) => {
      const known = this.#all.find(({ from, to }) => from === one.from && to === one.to);
      return known === undefined || (known.era === undefined && one.era !== undefined);
    });
    if (news.length === 0 && this.#written) return;
    const old = this.#all.filter((known) => !news.some(({ to }) => to === known.to));
    this.#all = [...old, ...news].sort((a, b) => a.atMs - b.atMs).slice(-most);
    this.#written = false;
    writeStateFile(this.#file, this.#all, { flush: true });
    this.#written = true;
  }
}
