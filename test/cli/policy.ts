import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { type CliWorld, hasReason, type Listed } from './world.ts';

/** The policy, compared, applied and explained. */
export function policyCases(world: CliWorld): void {
  it('is shown, compared, applied and explained', async () => {
    const session = await world.phone.device.open(world.phone.credentials);
    try {
      assert.equal((await session.fetch('/news')).status, 200);
      const shown = await world.run('policy', 'show');
      const old = join(world.own.stateDir, 'old.yaml');
      const draft = join(world.own.stateDir, 'draft.yaml');
      writeFileSync(old, shown.out);
      writeFileSync(
        draft,
        shown.out.replace(/name: staff\n( +)groups:\n +- staff/, 'name: staff\n$1groups:\n$1  - nobody'),
      );
      const diff = await world.json<{ changed: string[]; effects: unknown }>('policy', 'diff', draft);
      assert.deepEqual(diff.changed, ['intranet']);
      assert.deepEqual(diff.effects, [{ resource: 'intranet', gain: [], lose: ['anna'] }]);
      assert.match(
        (await world.run('policy', 'apply', '--dry-run', draft)).out,
        /1 user \(anna\) would lose intranet/,
      );
      assert.match(
        (await world.run('policy', 'apply', '--expect', '7', draft)).err,
        /^error POLICY_CHANGED: /,
      );
      const applied = await world.json<{ version: number }>('policy', 'apply', '--expect', '1', draft);
      assert.equal(applied.version, 2);
      await waitFor(() => session.fetch('/news').then(() => false, hasReason('POLICY_DENIED')), {
        timeoutMs: 30_000,
        what: 'the new policy to decide',
      });
      const asked = ['--user', 'anna', '--app', 'com.example.field', '--app-version', '1.4'];
      const denied = await world.json<{ reason: string }>(
        'policy',
        'explain',
        ...asked,
        'intranet.example/news',
      );
      assert.equal(denied.reason, 'NO_RULE');
      const again = await world.json<{ allow: boolean }>(
        'policy',
        'explain',
        ...asked,
        '--policy',
        old,
        'intranet.example/news',
      );
      assert.equal(again.allow, true);
      assert.equal((await world.json<{ applied: boolean }>('policy', 'apply', draft)).applied, false);
      await world.json('policy', 'apply', old);
      const { items } = await world.json<Listed>('policy', 'versions');
      assert.deepEqual(
        items.map(({ version, author }) => `${version} ${author}`),
        ['3 operator/operator', '2 operator/operator', '1 seed'],
      );
      await waitFor(
        () => session.fetch('/news').then(({ status }) => status === 200, hasNot('POLICY_DENIED')),
        {
          timeoutMs: 30_000,
          what: 'the old policy to decide',
        },
      );
    } finally {
      await session.close();
    }
  });

  it('is refused with the place and the rule that it breaks', async () => {
    const bad = join(world.own.stateDir, 'bad.yaml');
    writeFileSync(bad, 'resources:\n  - name: x\n    bakend: y\n');
    const { code, err } = await world.run('policy', 'apply', bad);
    assert.equal(code, 1);
    assert.match(err, /^error POLICY_INVALID: .*bakend.*\nhint: /);
  });
}

/** False for the reason that is waited to be over; anything else fails the test. */
const hasNot =
  (reason: string) =>
  (error: unknown): boolean => {
    if (SallyportError.from(error).reason === reason) return false;
    throw error;
  };
