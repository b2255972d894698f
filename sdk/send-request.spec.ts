import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '../core/errors/error.ts';
import type { Link, Outcome } from './link.ts';
import { defaultPlatform, type Platform } from './platform.ts';
import { prepareRequest } from './request.ts';
import { sendRequest } from './send-request.ts';

const answered: Outcome = {
  at: 'answered',
  head: { status: 200, headers: [] },
  body: (async function* () {})(),
};

/** A link whose proxy does not answer the probe within its time; `heard`: it says other things meanwhile. */
class SlowLink implements Link {
  readonly proxy: string;
  readonly edge = { url: 'https://edge', streams: true } as Link['edge'];
  readonly carrier = 'stream';
  readonly epoch = new Uint8Array(16);
  lost: SallyportError | undefined;
  provenAt = Number.NEGATIVE_INFINITY;
  readonly usedAt = 0;
  readonly #platform: Platform;
  readonly #heard: boolean;

  constructor(proxy: string, platform: Platform, heard: boolean) {
    this.proxy = proxy;
    this.#platform = platform;
    this.#heard = heard;
  }

  async prove(): Promise<void> {
    if (this.#heard) this.provenAt = this.#platform.monotonic();
    throw new SallyportError('DEADLINE');
  }

  async send(): Promise<Outcome> {
    return answered;
  }

  leave(): never {
    assert.fail('nobody asked for that');
  }

  suspect(error: SallyportError): void {
    this.lost = error;
  }

  close(): never {
    assert.fail('what cannot be repeated may be under way');
  }
}

describe('a request that must not run twice', () => {
  const platform: Platform = { ...defaultPlatform, monotonic: () => 10_000 };
  const request = prepareRequest(platform.crypto, '/', { method: 'POST' }, 'https://intranet.example');

  /** Links whose edges the next search is not to begin at. */
  let avoided: string[] = [];

  /** Sends it over the first of the links that is not lost. */
  const sendOver = async (...links: SlowLink[]): Promise<string> => {
    avoided = [];
    const attacher = {
      state: 'attached' as const,
      link: async () => links.find(({ lost }) => lost === undefined) ?? assert.fail('no link is left'),
      retire: () => undefined,
      avoid: ({ proxy }: Link) => void avoided.push(proxy),
      seekBeside: () => undefined,
      stay: () => undefined,
      end: () => undefined,
    };
    const deps = { attacher, platform, listener: undefined };
    return (await sendRequest(deps, request, new AbortController().signal)).proxy;
  };

  it('leaves a proxy that gives no sign of life, and its edge, which may be what is silent', async () => {
    const dead = new SlowLink('dead', platform, false);
    assert.equal(await sendOver(dead, new SlowLink('other', platform, true)), 'other');
    assert.equal(dead.lost?.reason, 'DEADLINE');
    assert.deepEqual(avoided, ['dead']);
  });

  it('stays with one that is slow with the probe and has said other things since', async () => {
    const busy = new SlowLink('busy', platform, true);
    assert.equal(await sendOver(busy), 'busy');
    assert.equal(busy.lost, undefined);
    assert.deepEqual(avoided, []);
  });
});
