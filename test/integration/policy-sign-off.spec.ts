import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'mocha';
import { Policy, ProposalState } from '#gen/sallyport/policy/v1/policy_pb.js';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { keptClients } from '../kept-clients.ts';
import { as, failsAs, type SecurityBench, securityBench } from '../security-bench.ts';
import { podAt } from '../security-pods.ts';

describe('a policy that needs two', function () {
  this.timeout(120_000);
  let bench: SecurityBench;
  let policies: GrpcClient<typeof Policy>;
  let elsewhere: GrpcClient<typeof Policy>;
  const { keep, close } = keptClients();
  const carla = { headers: as('operator', 'carla') };
  const dora = { headers: as('operator', 'dora') };
  const document = (name: string) =>
    JSON.stringify({ resources: [{ name, backend: 'intranet', hosts: [`${name}.example`], rules: [] }] });
  const request = (name: string, note = '') => ({
    requestKey: randomUUID(),
    documentJson: document(name),
    note,
  });
  const signing = (id: number) => ({ requestKey: randomUUID(), id, note: 'fine' });
  const proposed = async (name: string): Promise<number> =>
    (await policies.proposePolicy(request(name), carla)).proposal?.id ?? assert.fail();

  before(async () => {
    bench = await securityBench({ config: { policy: { signOff: 'on' } } });
    const at = (n: number) =>
      keep(
        createGrpcClient(Policy, {
          address: `unix:${podAt(bench.tier, n).connectSocket}`,
          defaultDeadlineMs: 30_000,
        }),
      );
    [policies, elsewhere] = [at(0), at(1)];
  });
  after(async () => {
    close();
    await bench?.close();
  });

  it('is changed by nobody alone', async () => {
    const alone = { requestKey: randomUUID(), documentJson: document('alone') };
    await assert.rejects(policies.applyPolicy(alone, carla), failsAs('POLICY_UNSIGNED'));
    assert.equal((await policies.applyPolicy({ ...alone, dryRun: true }, carla)).version, 1n);
    const id = await proposed('first');
    await assert.rejects(policies.signProposal(signing(id), carla), failsAs('PROPOSAL_OWN'));
    assert.equal((await policies.getPolicy({}, carla)).version?.version, 1n);
    await assert.rejects(policies.signProposal(signing(999), dora), failsAs('NOT_FOUND'));
    await assert.rejects(
      policies.proposePolicy({ ...request('x'), documentJson: '{"resources":1}' }, carla),
      failsAs('POLICY_INVALID'),
    );
  });

  it('is changed once another one signs, and both are told of ever after', async () => {
    const id = await proposed('second');
    const once = signing(id);
    const { proposal } = await policies.signProposal(once, dora);
    assert.equal(proposal?.state, ProposalState.SIGNED);
    assert.equal(proposal?.version, 2n);
    // A repetition, whose first answer may have been lost.
    assert.equal((await elsewhere.signProposal(once, dora)).proposal?.version, 2n);
    await assert.rejects(policies.signProposal(signing(id), dora), failsAs('PROPOSAL_ENDED'));
    const { version, documentJson } = await policies.getPolicy({}, carla);
    assert.deepEqual(
      [version?.version, version?.author, version?.signedBy],
      [2n, 'operator/carla', 'operator/dora'],
    );
    assert.deepEqual(JSON.parse(documentJson), JSON.parse(document('second')));
    const { versions } = await policies.listVersions({}, carla);
    assert.deepEqual(
      versions.map((each) => each.signedBy),
      ['operator/dora', ''],
    );
    const explained = { user: 'ada', method: 'GET', authority: 'second.example', path: '/' };
    await waitFor(async () => (await elsewhere.explain(explained, carla)).policyVersion === 2n, {
      timeoutMs: 30_000,
      what: 'the other pod to decide by it',
    });
  });

  it('is not changed by what was made against another version', async () => {
    const [one, other] = [await proposed('third'), await proposed('fourth')];
    await policies.signProposal(signing(one), dora);
    await assert.rejects(policies.signProposal(signing(other), dora), failsAs('POLICY_CHANGED'));
    const { proposal } = await policies.rejectProposal({ ...signing(other), note: 'too late' }, dora);
    assert.deepEqual([proposal?.state, proposal?.decidedNote], [ProposalState.REJECTED, 'too late']);
    const page = await policies.listProposals({ pageSize: 2 }, carla);
    assert.deepEqual(
      page.proposals.map(({ id }) => id),
      [other, one],
    );
    const { proposals } = await policies.listProposals({ pageToken: page.nextPageToken }, carla);
    assert.equal(proposals.length, 2);
    assert.equal(proposals.at(-1)?.state, ProposalState.OPEN);
  });

  it('is signed once, whoever else signs or rejects at the same moment', async () => {
    const id = await proposed('fifth');
    const ends = await Promise.allSettled([
      policies.signProposal(signing(id), dora),
      elsewhere.signProposal(signing(id), dora),
      elsewhere.rejectProposal(signing(id), dora),
    ]);
    assert.equal(ends.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const end of ends) if (end.status === 'rejected') failsAs('PROPOSAL_ENDED')(end.reason);
  });
});
