import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Client } from 'ldapts';
import { SyncKind, type SyncRun } from '#gen/sallyport/directory/v1/sources_pb.js';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { people } from '../../directory/company.ts';
import { ended, sync } from '../../directory/sources.ts';
import type { Suite } from '../figures.ts';
import { limited, stateOf, type World } from './world.ts';

/** What a directory can do wrong. Nobody may lose access by it. */
export const failuresSuite = (world: World): Suite => ({
  name: 'failures',
  checks: 6,
  run: async (check) => {
    const { sources, slapd } = world;
    const fresh = async (work: (directory: Client) => Promise<unknown>): Promise<void> => {
      const directory = await slapd.client();
      await work(directory).finally(() => directory.unbind());
    };
    const full = { kind: SyncKind.FULL };
    const usersNow = async (): Promise<number> =>
      (await sources.getSource({ name: 'hq' })).source?.users ?? 0;
    const had = await usersNow();
    const nobodyWent = (run: SyncRun): void => assert.equal(run.removes + run.disables, 0, stateOf(run));
    /** Orders a full one and waits until users are being read. */
    const begun = async (): Promise<string> => {
      const { id } = await sources.startSync({ requestKey: randomUUID(), source: 'hq', ...full });
      await waitFor(async () => ((await sources.getSync({ id })).run?.usersRead ?? 0) > 0, {
        timeoutMs: 60_000,
        everyMs: 20,
        what: 'the first page',
      });
      return id;
    };

    await check(
      'down in the middle of its pages: nothing is changed, and the next one is whole',
      async () => {
        const id = await begun();
        await slapd.stop('SIGKILL');
        const run = await ended(sources, id);
        assert.equal(stateOf(run), 'FAILED SOURCE_UNREACHABLE');
        nobodyWent(run);
        await slapd.start();
        const next = await sync(sources, 'hq', full);
        assert.equal(stateOf(next), 'DONE');
        nobodyWent(next);
      },
    );

    await check('slow, but within its time: it is waited for', async () => {
      const id = await begun();
      process.kill(slapd.pid() ?? 0, 'SIGSTOP');
      await systemClock.sleep(3000);
      process.kill(slapd.pid() ?? 0, 'SIGCONT');
      assert.equal(stateOf(await ended(sources, id)), 'DONE');
    });

    await check('silent for longer: given up, with a reason', async () => {
      await world.set({ timeoutMs: 1000 });
      const id = await begun();
      process.kill(slapd.pid() ?? 0, 'SIGSTOP');
      try {
        const run = await ended(sources, id);
        assert.equal(stateOf(run), 'FAILED SOURCE_UNREACHABLE');
        nobodyWent(run);
      } finally {
        process.kill(slapd.pid() ?? 0, 'SIGCONT');
        await world.set({});
      }
    });

    await check('a limit on how much an account may read: nobody is taken for gone', async () => {
      await world.set({ bindDn: limited.dn }, limited.password);
      const run = await sync(sources, 'hq', full);
      assert.equal(stateOf(run), 'FAILED SOURCE_INCOMPLETE');
      nobodyWent(run);
      await world.set({ bindDn: limited.dn }, 'a wrong one');
      assert.equal(stateOf(await sync(sources, 'hq')), 'FAILED SOURCE_REFUSED');
      await world.set({});
      assert.equal(await usersNow(), had);
    });

    await check('a referral to another directory: told, and not followed', async () => {
      const dn = `ou=elsewhere,${people}`;
      const ref = 'ldap://192.0.2.1/ou=people,dc=elsewhere';
      await fresh((directory) =>
        directory.add(dn, { objectClass: ['referral', 'extensibleObject'], ou: 'elsewhere', ref }),
      );
      const run = await sync(sources, 'hq', full);
      assert.equal(stateOf(run), 'DONE');
      assert.match(run.listedProblems.join('\n'), /192\.0\.2\.1.*is not asked/);
      nobodyWent(run);
    });

    await check('entries unlike all others: told, and the rest is taken', async () => {
      const person = { objectClass: 'inetOrgPerson', sn: 'Strange' };
      await fresh(async (directory) => {
        await directory.add(`cn=none,${people}`, { ...person, cn: 'none' });
        await directory.add(`cn=two,${people}`, { ...person, cn: 'two', uid: ['two', 'three'] });
        await directory.add(`cn=path,${people}`, { ...person, cn: 'path', uid: '../etc' });
        await directory.add(`cn=long,${people}`, { ...person, cn: 'long', uid: 'x'.repeat(200) });
        await directory.add(`cn=double,${people}`, { ...person, cn: 'double', uid: 'USER1' });
        await directory.add(`cn=fine,${people}`, { ...person, cn: 'Ünïcode ✓', uid: 'zoë' });
      });
      const run = await sync(sources, 'hq');
      assert.equal(stateOf(run), 'DONE');
      // Those five, and the referral again.
      assert.equal(run.problems, 6, run.listedProblems.join('\n'));
      assert.equal(run.adds, 1);
      nobodyWent(run);
    });
  },
});
