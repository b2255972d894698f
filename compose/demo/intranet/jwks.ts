import { request } from 'node:https';
import type { Jwk } from '#kernel/crypto/assertion.ts';

/** Keys are asked for again after so long, or when an assertion names one that is not known. */
const maxAgeMs = 300_000;
const retryMs = 1000;

/** Reads the keys of identity assertions from an edge, as any backend can that has its root; from the next one when it does not answer. */
export class JwksReader {
  readonly #urls: readonly string[];
  readonly #ca: Buffer;
  #held: { keys: readonly Jwk[]; at: number } | undefined;
  #triedAt = Number.NEGATIVE_INFINITY;
  /** The question that is under way; whoever comes meanwhile waits for its answer. */
  #asking: Promise<void> | undefined;

  constructor(urls: readonly string[], ca: Buffer) {
    this.#urls = urls;
    this.#ca = ca;
  }

  /** The key set, fresh enough and with the key of that id if the mesh has it. */
  async keys(kid: string | undefined): Promise<{ keys: readonly Jwk[] }> {
    const now = performance.now();
    const held = this.#held;
    const known = held?.keys.some((key) => key.kid === kid) === true && now - held.at < maxAgeMs;
    if (!known && this.#asking === undefined && now - this.#triedAt >= retryMs) {
      this.#triedAt = now;
      this.#asking = this.#ask(now).finally(() => {
        this.#asking = undefined;
      });
    }
    if (!known) await this.#asking;
    return { keys: this.#held?.keys ?? [] };
  }

  async #ask(now: number): Promise<void> {
    let failure: unknown;
    for (const url of this.#urls) {
      try {
        this.#held = { keys: await this.#fetch(url), at: now };
        return;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  async #fetch(url: string): Promise<readonly Jwk[]> {
    const text = await new Promise<string>((resolve, reject) => {
      const call = request(
        url,
        { method: 'POST', ca: this.#ca, headers: { 'content-type': 'application/json' }, timeout: 3000 },
        (response) => {
          let body = '';
          response.setEncoding('utf8');
          response.on('data', (piece: string) => {
            body += piece;
            if (body.length > 100_000) call.destroy(new Error('the key set is too long'));
          });
          response.on('end', () =>
            response.statusCode === 200
              ? resolve(body)
              : reject(new Error(`the edge answered ${response.statusCode}`)),
          );
          response.on('error', reject);
        },
      );
      call.on('timeout', () => call.destroy(new Error('the edge did not answer')));
      call.on('error', reject);
      call.end('{}');
    });
    const { jwksJson } = JSON.parse(text) as { jwksJson: string };
    return (JSON.parse(jwksJson) as { keys: Jwk[] }).keys;
  }
}
