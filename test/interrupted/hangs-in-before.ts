/** For test/integration/leave-nothing.spec.ts: a suite that has started a group, a directory and no test yet. */
import { before, describe, it } from 'mocha';
import { startDbGroup } from '../db-group.ts';
import { startSlapd } from '../directory/slapd.ts';

describe('a suite that is interrupted', () => {
  before(async function () {
    this.timeout(0);
    const slapd = await startSlapd({
      ldif: 'dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\no: x\ndc: example\n',
    });
    const group = await startDbGroup({ pods: 1 });
    await group.online();
    process.stdout.write(
      `${JSON.stringify({ dir: group.dir, pids: [slapd.pid(), group.nodes[0]?.mysqldPid()] })}\n`,
    );
    // A timer: nothing else may keep this process alive.
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  });
  it('is never reached', () => {});
});
