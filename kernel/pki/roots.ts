import { randomBytes } from 'node:crypto';
import { link, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { type CaOptions, createCa, type KeyedCert } from './authority.ts';
import { isErrno, readIfThere, writeDurably } from './tls-folder.ts';

const keyedCert = z.strictObject({ cert: z.string(), key: z.string() });
const rootsFile = z.strictObject({
  /** Signs new certificates. */
  signer: keyedCert,
  /** Trusted already, signs nothing yet. */
  next: keyedCert.optional(),
  /** Still trusted, signs no more; PEM, without keys. */
  old: z.array(z.string()),
});
type RootsState = z.infer<typeof rootsFile>;

/**
 * A certificate authority on disk: `<name>.json` (mode 0600: keys; changed by one rename, so every step
 * is whole or has not happened) and, following from it, `<name>.crt` (the roots to trust, PEM).
 *
 * A root is replaced in three steps with no moment at which two peers distrust each other. After each,
 * every certificate folder must be brought up to date (`Pki.ensure…`) before the next:
 * `addRoot` (all learn to trust the new one), `useNewRoot` (it signs), `dropOldRoots`.
 */
export class Roots {
  readonly #dir: string;
  readonly #name: string;
  readonly #ca: CaOptions;
  readonly #clock: Clock;
  #state: RootsState;

  private constructor(dir: string, name: string, ca: CaOptions, clock: Clock, state: RootsState) {
    this.#dir = dir;
    this.#name = name;
    this.#ca = ca;
    this.#clock = clock;
    this.#state = state;
  }

  /** Reads the authority, or makes it on first use. Two processes that do so at once end with the same one. */
  static async open(dir: string, name: string, ca: CaOptions, clock: Clock): Promise<Roots> {
    const path = join(dir, `${name}.json`);
    let text = await readIfThere(path);
    if (text === undefined) {
      const state: RootsState = { signer: await createCa(ca, clock), old: [] };
      const draft = `${path}.${randomBytes(4).toString('hex')}`;
      await writeDurably(draft, JSON.stringify(state), 0o600);
      try {
        await link(draft, path);
      } catch (error) {
        if (!isErrno(error, 'EEXIST')) throw error;
      } finally {
        await rm(draft);
      }
      text = await readIfThere(path);
    }
    const roots = new Roots(dir, name, ca, clock, parse(path, text ?? ''));
    await roots.#writeBundle();
    return roots;
  }

  /** What signs at present. */
  get signer(): KeyedCert {
    return this.#state.signer;
  }

  /** All roots to trust, PEM, the signer first. */
  get bundle(): string {
    const { signer, next, old } = this.#state;
    return [signer.cert, ...(next ? [next.cert] : []), ...old].sort().join('');
  }

  /** Step 1. Does nothing when a new root waits already. */
  async addRoot(): Promise<void> {
    if (this.#state.next) return;
    await this.#replace({ ...this.#state, next: await createCa(this.#ca, this.#clock) });
  }

  /** Step 2. @throws SallyportError CONFIG_INVALID when step 1 has not been taken. */
  async useNewRoot(): Promise<void> {
    const { signer, next, old } = this.#state;
    if (!next) {
      throw new SallyportError('CONFIG_INVALID', {
        message: `${this.#name}: there is no new root to use`,
        hint: 'add a root first and let every pod learn to trust it',
      });
    }
    await this.#replace({ signer: next, old: [signer.cert, ...old] });
  }

  /** Step 3. */
  async dropOldRoots(): Promise<void> {
    await this.#replace({ ...this.#state, old: [] });
  }

  async #replace(state: RootsState): Promise<void> {
    const path = join(this.#dir, `${this.#name}.json`);
    await writeAtomically(path, JSON.stringify(state), 0o600);
    this.#state = state;
    await this.#writeBundle();
  }

  async #writeBundle(): Promise<void> {
    const path = join(this.#dir, `${this.#name}.crt`);
    if ((await readIfThere(path)) !== this.bundle) await writeAtomically(path, this.bundle, 0o644);
  }
}

function parse(path: string, text: string): RootsState {
  try {
    return rootsFile.parse(JSON.parse(text));
  } catch {
    // The parser's message may quote the file, which holds a private key.
    throw new SallyportError('CONFIG_INVALID', {
      message: `${path} is not a certificate authority of a mesh`,
      hint: 'restore it from a backup; if it is lost, remove it and every certificate is made anew',
    });
  }
}

async function writeAtomically(path: string, text: string, mode: number): Promise<void> {
  const draft = `${path}.${randomBytes(4).toString('hex')}`;
  await writeDurably(draft, text, mode);
  await rename(draft, path);
}
