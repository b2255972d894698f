import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { embeddedTopology } from '#compose/topology/embedded.ts';
import { podDir, secretsDir } from '#compose/topology/paths.ts';
import { groupOf, podsOf, replicasOf } from '#compose/topology/query.ts';
import type { Topology } from '#compose/topology/types.ts';
import { replaceFile } from '#kernel/config/state-file.ts';
import { Promotions } from '#services/db-agent/promotion.ts';
import { adoptPromotion } from './promoted.ts';
import { KeptSettings } from './settings.ts';
import { parseSites, sitesIn } from './sites.ts';

const sites = parseSites('slave: {name: geneva, edges: 1, proxies: 1, backends: [branch]}');
const names = (pods: Topology['pods']): string[] => pods.map(({ name }) => name);
let port = 20_000;
const topology = (promoted?: { master: string | undefined; alone: boolean }): Topology =>
  embeddedTopology({
    ...{ stateDir: '/state', runDir: '/run', slave: sites.slave, promoted, db: 2, security: 2 },
    allocatePort: () => port++,
  });

describe('a promoted site', () => {
  it('has group and security tier to itself at first, and is meant by who names no site', () => {
    const t = topology({ master: 'geneva', alone: true });
    assert.deepEqual(names(groupOf(t)), ['db-geneva-0', 'db-geneva-1']);
    assert.deepEqual(names(podsOf(t, 'security')), ['sec-geneva-0', 'sec-geneva-1']);
    assert.deepEqual(names(podsOf(t, 'worker')), ['worker-geneva-0']);
    assert.ok(t.pods.every(({ site }) => site === 'geneva'));
    assert.deepEqual(
      sitesIn(t, sites).map(({ name, leaseMs }) => ({ name, leaseMs })),
      [{ name: 'geneva', leaseMs: undefined }],
    );
  });

  it('has the other one as slave when that is back, with a replica and long leases', () => {
    const t = topology({ master: 'geneva', alone: false });
    assert.deepEqual(names(replicasOf(t)), ['db-0']);
    assert.ok(podsOf(t, 'security').every(({ site }) => site === 'geneva'));
    assert.deepEqual(
      sitesIn(t, sites).map(({ name, leaseMs }) => ({ name, leaseMs })),
      [
        { name: 'geneva', leaseMs: undefined },
        { name: 'master', leaseMs: 30_000 },
      ],
    );
  });

  it('is as before when the first one is promoted again', () => {
    assert.deepEqual(names(topology({ master: undefined, alone: false }).pods), names(topology().pods));
  });
});

describe('a promotion that the runner did not live to note', () => {
  const [from, to] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'];
  let stateDir: string;
  before(() => {
    stateDir = mkdtempSync(join(tmpdir(), 'sp-promoted-'));
    replaceFile(join(secretsDir({ stateDir }), 'group-name'), `${from}\n`);
  });
  after(() => rmSync(stateDir, { recursive: true }));
  const folder = (pod: string): string => podDir({ stateDir, runDir: '' }, pod);

  it('is gone on with by what the replica has written down, and by nothing else', () => {
    const kept = new KeptSettings(stateDir);
    // Heard of, by somebody whom it is not about.
    new Promotions(folder('db-0')).learn([{ pod: 'db-geneva-0', from, to, atMs: 1 }]);
    adoptPromotion(stateDir, kept, sites.slave);
    assert.equal(kept.promoted, undefined);
    new Promotions(folder('db-geneva-0')).learn([{ pod: 'db-geneva-0', from, to, atMs: 1 }]);
    adoptPromotion(stateDir, kept, sites.slave);
    assert.deepEqual(kept.promoted, { master: 'geneva', alone: true });
    assert.equal(readFileSync(join(secretsDir({ stateDir }), 'group-name'), 'utf8').trim(), to);
    assert.deepEqual(new KeptSettings(stateDir).promoted, { master: 'geneva', alone: true });
  });

  it('is learnt once, with its era when that is known, and survives', () => {
    const known = new Promotions(folder('db-1'));
    known.learn([{ pod: 'db-geneva-0', from, to, atMs: 1 }]);
    known.learn([{ pod: 'db-geneva-0', from, to, atMs: 1, era: 4 }]);
    known.learn([{ pod: 'db-geneva-0', from, to, atMs: 1 }]);
    const again = new Promotions(folder('db-1'));
    assert.deepEqual(again.all, [{ pod: 'db-geneva-0', from, to, atMs: 1, era: 4 }]);
    assert.equal(again.of(from)?.to, to);
    assert.equal(again.of(to), undefined);
  });
});
