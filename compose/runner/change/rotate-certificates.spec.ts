import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Pod } from '#compose/topology/types.ts';
import { oneOfEach } from './rotate-certificates.ts';

describe('pods that change whom they trust', () => {
  it('do so one of each tier, and of each backend, at a time', () => {
    const pod = (name: string, role: string, cluster?: string): Pod =>
      ({ name, role, ...(cluster && { backend: { cluster } }) }) as unknown as Pod;
    const pods = [
      pod('proxy-0', 'proxy'),
      pod('proxy-1', 'proxy'),
      pod('proxy-2', 'proxy'),
      pod('wiki-0', 'backend', 'wiki'),
      pod('news-0', 'backend', 'news'),
      pod('news-1', 'backend', 'news'),
    ];
    assert.deepEqual(
      oneOfEach(pods).map((wave) => wave.map(({ name }) => name)),
      [['proxy-0', 'wiki-0', 'news-0'], ['proxy-1', 'news-1'], ['proxy-2']],
    );
    assert.deepEqual(oneOfEach([]), []);
  });
});
