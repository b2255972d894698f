import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { parseJson } from './parse-json.ts';
import type { LocalState } from './poll.ts';
import { type RememberedGroup, rememberedGroup } from './status.ts';

/**
 * What the group was like when this node last saw it. When all nodes are down, and one is lost for good, nothing else
 * tells whether that one was the primary, which alone may have had the last transactions.
 */
export class GroupMemory {
  readonly #file: string;
  #latest: RememberedGroup | undefined;

  constructor(file: string) {
    this.#file = file;
    this.#latest = readIfGood(file);
  }

  get latest(): RememberedGroup | undefined {
    return this.#latest;
  }

  /** Writes it down if it has changed, in one rename. @throws what the file system says */
  note({ state, majority, view, members }: LocalState): void {
    const primary = members.find((m) => m.role === 'PRIMARY' && m.state === 'ONLINE')?.id;
    if (state !== 'ONLINE' || !majority || view === '' || primary === undefined) return;
    if (this.#latest?.view === view && this.#latest.primary === primary) return;
    this.#latest = { view, primary };
    writeFileSync(`${this.#file}.new`, JSON.stringify(this.#latest), { mode: 0o600 });
    renameSync(`${this.#file}.new`, this.#file);
  }
}

function readIfGood(file: string): RememberedGroup | undefined {
  if (!statSync(file, { throwIfNoEntry: false })) return undefined;
  const parsed = rememberedGroup.safeParse(parseJson(readFileSync(file, 'utf8')));
  return parsed.success ? parsed.data : undefined;
}
