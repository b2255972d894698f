/** The short form of the drills, as `npm run drills -- --short --functional` runs it. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'mocha';
import { discoverDrills } from '../drills/discover.ts';
import { drillOptions } from '../drills/options.ts';
import { runDrill } from '../drills/run-drill.ts';
import { meshKey, select } from '../drills/run-drills.ts';
import { type Stand, startStand } from '../drills/stand.ts';
import { rowLines } from '../drills/table.ts';

/** Less than the whole form's: a machine that has other things to do must carry it too. */
const options = drillOptions(['--short', '--functional', '--devices', '20', '--rate', '20']);
assert.ok(options);
const { size } = options;
const seed = options.seeds[0] ?? 1;
const selected = select(await discoverDrills(), options);
const told: string[] = [];
const progress = (line: string): void => void told.push(line);
const never = new AbortController();

describe('drills, in their short form', function () {
  this.timeout(400_000);
  const stands = new Map<string, Stand>();

  after(async () => {
    for (const stand of stands.values()) await stand.close();
  });

  for (const { drill, failures } of selected) {
    for (const failure of failures) {
      it(`${failure.name}: nothing fails, nothing is lost or wrong`, async () => {
        const key = meshKey(drill);
        const stand = stands.get(key) ?? (await startStand(drill, size, seed, progress));
        stands.set(key, stand);
        const row = await runDrill(stand, drill, failure, seed, { signal: never.signal, progress });
        assert.ok(row.held, [...rowLines(row), ...told.slice(-30)].join('\n'));
        assert.ok(row.requests > 0);
      });
    }
  }
});
