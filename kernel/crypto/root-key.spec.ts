import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import type { RootKeyProvider } from './root-key.ts';
import { rootKeyProvider } from './root-key-providers.ts';
import { unwrapKey, wrapKey } from './wrap-key.ts';

const newKey = Buffer.alloc(32, 1).toString('base64');
const oldKey = Buffer.alloc(32, 2).toString('base64');
const text = `# root keys\n${newKey}\n\n${oldKey}\n`;
const unavailable = (e: unknown) => e instanceof SallyportError && e.reason === 'ROOT_KEY_UNAVAILABLE';

describe('root keys', () => {
  let dir: string;
  const path = () => join(dir, 'root.key');
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sallyport-root-'));
  });
  after(() => rm(dir, { recursive: true }));

  const providers: Record<string, (content: string) => Promise<RootKeyProvider>> = {
    file: async (content) => {
      await writeFile(path(), content, { mode: 0o600 });
      return rootKeyProvider({ from: 'file', path: path() }, {});
    },
    exec: async (content) => {
      const command = [process.execPath, '-e', `process.stdout.write(${JSON.stringify(content)})`];
      return rootKeyProvider({ from: 'exec', command, timeoutMs: 10_000 }, {});
    },
    environment: async (content) =>
      rootKeyProvider({ from: 'environment', variable: 'ROOT' }, { ROOT: content }),
  };
  for (const [name, make] of Object.entries(providers)) {
    it(`${name}: gives the newest key first, and names keys without telling them`, async () => {
      const { current, older } = await (await make(text)).keys();
      assert.deepEqual(Buffer.from(current.key).toString('base64'), newKey);
      assert.equal(older.length, 1);
      assert.match(current.id, /^[0-9a-f]{16}$/);
      assert.notEqual(current.id, older[0]?.id);
    });
    it(`${name}: refuses what is not a key`, async () => {
      for (const bad of ['', '# only this\n', 'c2hvcnQ=\n', `${newKey}\nno base64!\n`]) {
        const provider = await make(bad);
        await assert.rejects(() => provider.keys(), unavailable);
      }
    });
  }

  it('refuses a file that others can read', async () => {
    await writeFile(path(), text);
    await chmod(path(), 0o644);
    await assert.rejects(() => rootKeyProvider({ from: 'file', path: path() }, {}).keys(), unavailable);
  });

  it('says nothing of what a failed program printed', async () => {
    const command = [
      process.execPath,
      '-e',
      `console.log('${newKey}'); console.error('${newKey}'); process.exit(1)`,
    ];
    await assert.rejects(
      () => rootKeyProvider({ from: 'exec', command, timeoutMs: 10_000 }, {}).keys(),
      (e) => e instanceof SallyportError && !`${e.message}${String(e.cause)}`.includes(newKey),
    );
  });

  it('wraps a data key for one id', async () => {
    const provider = await (providers.environment ?? assert.fail())(text);
    const { current } = await provider.keys();
    const key = new Uint8Array(32).fill(9);
    const wrapped = wrapKey(current, 1, key);
    assert.deepEqual(new Uint8Array(unwrapKey(current, 1, wrapped)), key);
    assert.throws(() => unwrapKey(current, 2, wrapped));
  });
});
