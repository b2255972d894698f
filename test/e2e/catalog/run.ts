import assert from 'node:assert/strict';
import { openAsBlob, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sampleReleases } from '#sdk/test/sample-releases.ts';
import { type Figure, type RunOptions, runSuite, type Suite } from '../figures.ts';
import { makeWorld, type Phone, readThrough, type World, watchMemory } from './world.ts';

const packageMib = 100;
const devices = 50;
/** What a proxy may gain: the pieces that it keeps (limits.appCache, 32 MiB), and what streams and collector need. */
const mostGrownMib = 160;

/** Releases that devices get from a mesh: figures of many devices at once, and what happens when something breaks. */
export async function runCatalog({ only, say }: RunOptions): Promise<readonly Figure[]> {
  const world = await makeWorld(say);
  try {
    const figures = await measured(world, say);
    for (const suite of [failuresSuite(world)]) {
      if (!suite.name.includes(only)) continue;
      say(suite.name);
      figures.push(await runSuite(suite, say));
    }
    return figures;
  } finally {
    await world.close();
  }
}

interface Uploaded {
  readonly release: { readonly length: string };
  readonly deltas: readonly { readonly share: number }[];
}

const [first, second] = ['1.3.0', '1.4.0'];

async function measured(world: World, say: (line: string) => void): Promise<Figure[]> {
  const figures: Figure[] = [];
  const add = (name: string, value: number, unit: string, most?: number): void => {
    const [rounded, goal] = [Math.round(value * 10) / 10, most === undefined ? '' : `at most ${most}`];
    figures.push({ name, value: rounded, unit, goal, ok: most === undefined || value <= most });
    say(`  ${name}: ${rounded} ${unit}`);
  };
  const bodies = sampleReleases(packageMib);
  for (const [n, version] of [first, second].entries()) {
    writeFileSync(join(world.work, version), bodies[n] ?? assert.fail());
    const begun = performance.now();
    const { deltas } = await world.apps<Uploaded>('upload', join(world.work, version), '--version', version);
    add(`upload of ${version}, ${packageMib} MiB`, (performance.now() - begun) / 1000, 's');
    if (n === 1) add('delta from the release before', 100 * (deltas[0]?.share ?? 1), '% of the package', 25);
    await world.apps('rollout', version);
  }

  say(`${devices} devices enrol, and ask for an update`);
  const phones: Phone[] = [];
  for (let n = 0; n < devices; n++) phones.push(await world.enrol(first));
  const checked = performance.now();
  const updates = await Promise.all(phones.map((phone) => phone.updates.check()));
  add(`${devices} checks at once, signatures and all`, (performance.now() - checked) / 1000, 's');

  say(`${devices} devices download ${packageMib} MiB at once`);
  const proxies = watchMemory(world.mesh, /^proxy-\d+ process$/);
  const sidecars = watchMemory(world.mesh, /^(proxy|edge)-\d+ sidecar$/);
  const begun = performance.now();
  let bytes = 0;
  await Promise.all(
    phones.map((phone, n) =>
      readThrough(phone, updates[n]?.update ?? assert.fail('no update was offered'), (more) => {
        bytes += more;
      }),
    ),
  );
  const seconds = (performance.now() - begun) / 1000;
  add(`${devices} downloads of ${packageMib} MiB at once`, seconds, 's');
  add('of all together', bytes / 2 ** 20 / seconds, 'MiB/s');
  const proxy = proxies.stop();
  add('memory that a proxy gained meanwhile', proxy.grown, 'MiB', mostGrownMib);
  add('memory of a proxy, the most', proxy.most, 'MiB');
  add(
    'memory that a sidecar of proxies and edges gained meanwhile',
    sidecars.stop().grown,
    'MiB',
    mostGrownMib,
  );
  for (const phone of phones) phone.close();
  return figures;
}

const failuresSuite = (world: World): Suite => ({
  name: 'failures',
  checks: 5,
  run: async (check) => {
    const [a, b] = [await world.enrol(first), await world.enrol(first)];
    const { update = assert.fail() } = await a.updates.check();

    await check('by a delta a device downloads a quarter at most', async () => {
      let length = 0;
      const path = await a.updates.download(update, {
        installedPackage: await openAsBlob(join(world.work, first)),
        onProgress: (_, of) => (length = of),
      });
      assert.equal((await stat(path)).size, update.length);
      assert.ok(length <= update.length / 4, `${length} of ${update.length}`);
    });

    await check('every proxy is killed during a download, which goes on where it was', async () => {
      const killed = new Set<string>();
      let bytes = 0;
      let came = 0;
      const path = await b.updates.download(update, {
        onProgress: (now) => {
          came += now - bytes;
          bytes = now;
          const pod = `proxy-${killed.size}`;
          if (killed.size === 3 || now < (update.length * (killed.size + 1)) / 4) return;
          assert.ok(world.mesh.kill(pod, 'process', 'SIGKILL'), pod);
          killed.add(pod);
        },
      });
      assert.equal((await stat(path)).size, update.length);
      assert.equal(killed.size, 3);
      assert.equal(came, update.length);
      await world.mesh.waitUp();
    });

    await check('the database primary is killed during a download', async () => {
      const phone = await world.enrol(first);
      const { update: offered = assert.fail() } = await phone.updates.check();
      const { nodes } = await world.cli<{ nodes: { pod: string; role: string }[] }>('db', 'status');
      const primary = nodes.find(({ role }) => role === 'PRIMARY')?.pod ?? assert.fail('no primary');
      let done = false;
      const reading = readThrough(phone, offered, () => {
        if (done) return;
        done = true;
        assert.ok(world.mesh.kill(primary, 'mysqld', 'SIGKILL'));
      });
      await reading;
      phone.close();
      await world.mesh.waitUp();
    });

    await check('a rollout halts by itself, and says why; rolled back, it goes back', async () => {
      await world.apps('rollout', second, '--max-failures', '10', '--min-reports', '2');
      await a.updates.report(second, 'healthy');
      await b.updates.report(second, 'crashed');
      const { channels } = await world.apps<{ channels: { haltedWhy: string }[] }>('channels');
      assert.match(channels[0]?.haltedWhy ?? '', /1 of 2 devices failed or crashed/);
      await world.apps('rollback', second);
      const late = await world.enrol(second);
      assert.equal((await late.updates.check()).update?.version, first);
      late.close();
    });

    await check('keys are rotated, and devices follow', async () => {
      const cli = (role: string) => world.apps('rotate-keys', role);
      for (const role of ['root', 'timestamp', 'snapshot', 'targets']) await cli(role);
      await a.updates.check();
    });
    a.close();
    b.close();
  },
});
