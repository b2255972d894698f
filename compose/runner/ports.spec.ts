import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { claimPorts } from './ports.ts';

const address = '127.0.0.1';

describe('ports of meshes', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'sallyport-ports-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const claimKeeping = (
    keepOthers: boolean,
    mesh: string,
    ...names: string[]
  ): Promise<ReadonlyMap<string, number>> => {
    const stateDir = join(root, mesh);
    mkdirSync(stateDir, { recursive: true });
    return claimPorts(
      names.map((of) => ({ of, address })),
      { sharedDir: join(root, 'shared'), stateDir, keepOthers, locked: (body) => body() },
    );
  };
  const claim = (mesh: string, ...names: string[]) => claimKeeping(false, mesh, ...names);
  const all = (...given: ReadonlyMap<string, number>[]): number[] =>
    given.flatMap((ports) => [...ports.values()]);

  it('are kept between starts, and lie below 32768', async () => {
    const first = await claim('a', 'db-0', 'sec-0');
    assert.deepEqual(await claim('a', 'db-0', 'sec-0'), first);
    assert.ok(all(first).every((port) => port >= 20_000 && port < 32_768));
  });

  it('differ between meshes', async () => {
    const both = all(await claim('a', 'db-0', 'sec-0'), await claim('b', 'db-0', 'sec-0'));
    assert.equal(new Set(both).size, 4);
  });

  it('of pods that were there before are not given to pods that are new', async () => {
    const small = await claim('a', 'db-0', 'sec-0');
    const grown = await claim('a', 'db-0', 'db-1', 'sec-0', 'sec-1');
    assert.equal(new Set(grown.values()).size, 4);
    assert.equal(grown.get('sec-0'), small.get('sec-0'));
  });

  it('of pods that are to come back are given to nobody meanwhile', async () => {
    const before = await claim('a', 'db-0', 'edge-0');
    const meanwhile = await claimKeeping(true, 'a', 'db-far-0', 'edge-far-0');
    assert.ok(all(meanwhile).every((port) => !all(before).includes(port)));
    assert.deepEqual(await claim('a', 'db-0', 'edge-0'), before);
  });

  it('elsewhere are free where nobody answers, and none is given at an address that cannot be called', async () => {
    const stateDir = root;
    const elsewhere = (at: string): Promise<ReadonlyMap<string, number>> =>
      claimPorts([{ of: 'sec-0', address: at, elsewhere: true }], {
        sharedDir: join(root, 'shared'),
        stateDir,
        locked: (body) => body(),
      });
    const [port = 0] = all(await elsewhere(address));
    const somebody = createServer();
    await new Promise<void>((resolve) => somebody.listen(port, address, resolve));
    try {
      assert.notDeepEqual(all(await elsewhere(address)), [port]);
    } finally {
      await new Promise((resolve) => somebody.close(resolve));
    }
    // Nobody can be called there, and nothing is sent.
    await assert.rejects(elsewhere('255.255.255.255'), /does not answer/);
  });

  it('of a mesh whose folder is gone are free again; one that somebody else uses is replaced', async () => {
    const [port = 0] = all(await claim('a', 'db-0'));
    rmSync(join(root, 'a'), { recursive: true });
    assert.deepEqual(all(await claim('b', 'db-0')), [port]);
    const somebody = createServer();
    await new Promise<void>((resolve) => somebody.listen(port, address, resolve));
    try {
      assert.notDeepEqual(all(await claim('b', 'db-0')), [port]);
    } finally {
      await new Promise((resolve) => somebody.close(resolve));
    }
  });
});
