import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { answers } from './answers.ts';
import { agentConfig, writeQuorumOf } from './config.ts';
import { decide, type PeerView } from './decide.ts';
import { difference, formatGtidSet, includes, parseGtidSet, sizeOf } from './gtid.ts';
import { renderMyCnf, serverUuid } from './my-cnf.ts';
import { toLocalState } from './poll.ts';
import { recoveryPlan } from './recovery-plan.ts';
import { type AgentStatus, compareViews } from './status.ts';
import { idleStatus as status } from './test-status.ts';

const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const gtids = (range: string): string => (range === '' ? '' : `${uuid}:${range}`);

const at = (pod: string, range: string): AgentStatus =>
  status(pod, { gtidExecuted: gtids(range), fresh: false });
const member = (pod: string, more: Partial<AgentStatus> = {}): AgentStatus =>
  status(pod, { state: 'ONLINE', phase: 'member', role: 'SECONDARY', majority: true, view: '10:3', ...more });
const view = (s: AgentStatus): PeerView => ({ pod: s.pod, status: s });
const silent = (pod: string): PeerView => ({ pod, status: undefined });

/** What each of the pods decides when it sees all the others. */
const decisions = (all: readonly AgentStatus[]): string[] =>
  all.map((self) => {
    const step = decide({ self, peers: all.filter((s) => s !== self).map(view), force: false });
    return step.do === 'wait' ? `wait for ${step.for}` : step.do;
  });

describe('a group that a replica may have taken over from', () => {
  const promotions = [{ pod: 'db-far-0', from: uuid, to: uuid, atMs: 0, era: 2 }];

  it('is left by whoever has heard of it, and not formed again', () => {
    const superseded = { superseded: true, promotions };
    for (const state of ['ONLINE', 'RECOVERING', 'UNREACHABLE', 'ERROR'] as const)
      assert.deepEqual(decide({ self: member('db-0', { state, ...superseded }), peers: [], force: true }), {
        do: 'leave',
      });
    const step = decide({ self: { ...at('db-0', '1-9'), ...superseded }, peers: [], force: true });
    assert.match(step.do === 'wait' ? step.for : '', /db-far-0 has taken over.*site rejoin/);
    for (const question of ['primary', 'replica', 'readable'] as const)
      assert.equal(answers(question, member('db-0', superseded), [], 1), false);
  });

  it('is formed out of data only with its word that it has not, or the operator is asked', () => {
    const self = at('db-0', '1-9');
    const step = decide({ self, peers: [], witnesses: [silent('db-far-0')], force: false });
    assert.match(step.do === 'wait' ? step.for : '', /the word of db-far-0/);
    const spoken = [view(status('db-far-0'))];
    assert.equal(decide({ self, peers: [], witnesses: spoken, force: false }).do, 'bootstrap');
    assert.equal(decide({ self, peers: [], witnesses: [silent('db-far-0')], force: true }).do, 'bootstrap');
    // There is nothing yet to take over.
    const first = decide({ self: status('db-0'), peers: [], witnesses: [silent('db-far-0')], force: false });
    assert.equal(first.do, 'bootstrap');
  });

  it('waits for an operator meanwhile, who is told what that may cost', () => {
    const plan = recoveryPlan([{ pod: 'db-0', status: { ...at('db-0', '1-9'), wordOf: ['db-far-0'] } }]);
    assert.ok(plan.is === 'stuck' && plan.best === 'db-0');
    assert.deepEqual(plan.missing, ['db-far-0']);
    assert.match(plan.mayLose, /db-far-0 has taken over: both would serve/);
  });
});

describe('GTID sets', () => {
  it('are compared by what is in them, not by how they are written', () => {
    const has = (large: string, small: string): boolean => includes(parseGtidSet(large), parseGtidSet(small));
    assert.ok(has(gtids('1-10'), gtids('1-3:5:7-10')));
    assert.ok(has(gtids('1-3:4-10'), gtids('2-9').toUpperCase()));
    assert.ok(has(gtids('1'), ''));
    assert.ok(!has('', gtids('1')));
    assert.ok(!has(gtids('1-3:5-10'), gtids('3-5')));
    assert.ok(!has(gtids('1-10'), 'aaaaaaaa-71ca-11e1-9e33-c80aa9429562:1'));
    assert.ok(has(`${uuid}:1-5:tag:1-3,\n aaaaaaaa-71ca-11e1-9e33-c80aa9429562:7`, `${uuid}:tag:2`));
    assert.ok(!has(`${uuid}:1-5`, `${uuid}:tag:2`));
    assert.throws(() => parseGtidSet('nonsense:?'), RangeError);
  });

  it('are subtracted and counted', () => {
    const minus = (a: string, b: string): string =>
      formatGtidSet(difference(parseGtidSet(gtids(a)), parseGtidSet(gtids(b))));
    assert.equal(minus('1-10', '3-5:8'), gtids('1-2:6-7:9-10'));
    assert.equal(minus('1-10', '1-10'), '');
    assert.equal(minus('5-6', '1-5'), gtids('6'));
    assert.equal(minus('1-3', ''), gtids('1-3'));
    assert.equal(sizeOf(parseGtidSet(gtids('1-2:6-7:9'))), 5);
    for (let n = 0; n < 200; n++) {
      const some = (): string => {
        const numbers = Array.from({ length: 12 }, (_, i) => i + 1).filter(() => Math.random() < 0.5);
        return numbers.length === 0 ? '' : gtids(numbers.join(':'));
      };
      const [a, b] = [parseGtidSet(some()), parseGtidSet(some())];
      const left = difference(a, b);
      assert.ok(includes(a, left));
      assert.equal(sizeOf(left), sizeOf(a) - (sizeOf(a) - sizeOf(difference(a, b))));
      assert.equal(formatGtidSet(difference(left, b)), formatGtidSet(left));
      assert.equal(includes(b, a), sizeOf(left) === 0);
    }
  });
});

describe('what a db-agent does about data that the group does not have', () => {
  const alive = (range: string): PeerView =>
    view(member('db-1', { gtidExecuted: gtids(range), writable: true, writableForMs: 60_000 }));

  it('waits for an operator, and joins when the group has caught up', () => {
    const step = decide({ self: at('db-0', '1-9'), peers: [alive('1-7'), alive('1-8')], force: false });
    assert.equal(step.do, 'wait');
    assert.match(
      step.do === 'wait' ? step.for : '',
      /^an operator: the group does not have .*:9, .*db rebuild db-0/,
    );
    assert.equal(
      decide({ self: at('db-0', '1-9'), peers: [alive('1-7'), alive('1-9')], force: false }).do,
      'join',
    );
    assert.equal(decide({ self: status('db-0'), peers: [alive('1-7')], force: false }).do, 'join');
    const received = { ...at('db-0', '1-7'), gtidReceived: gtids('6-8') };
    assert.equal(decide({ self: received, peers: [alive('1-7')], force: false }).do, 'wait');
  });
});

describe('what a db-agent decides', () => {
  it('a new group is formed by the lowest name, once everybody is seen', () => {
    assert.deepEqual(decisions([status('db-0'), status('db-1'), status('db-2')]), [
      'bootstrap',
      'wait for db-0 to form the group',
      'wait for db-0 to form the group',
    ]);
    const self = status('db-0');
    const alone = decide({ self, peers: [view(status('db-1')), silent('db-2')], force: false });
    assert.deepEqual(alone, { do: 'wait', for: 'an answer from the agent of db-2' });
    assert.deepEqual(decide({ self, peers: [silent('db-1')], force: true }), { do: 'bootstrap' });
    assert.deepEqual(decide({ self, peers: [], force: false }), { do: 'bootstrap' });
  });

  it('a group that was down is formed by whoever has everything, never by an empty or older one', () => {
    assert.deepEqual(decisions([at('db-0', '1-9'), at('db-1', '1-10'), at('db-2', '1-10')]), [
      'wait for db-1 to form the group',
      'bootstrap',
      'wait for db-1 to form the group',
    ]);
    assert.equal(decisions([status('db-0'), at('db-1', '1-5'), at('db-2', '1-7')])[2], 'bootstrap');
    for (const one of decisions([at('db-0', '1-5:7'), at('db-1', '1-6')])) assert.match(one, /an operator/);
  });

  it('compares only after the relay log has been applied, everywhere', () => {
    const behind = status('db-0', { gtidExecuted: gtids('1-5'), gtidReceived: gtids('3-10'), fresh: false });
    assert.deepEqual(decisions([behind, at('db-1', '1-9')]), ['apply', 'wait for db-0 (idle, OFFLINE)']);
    const busy = status('db-0', { phase: 'bootstrapping' });
    assert.match(decisions([busy, status('db-1')])[1] ?? '', /db-0 \(bootstrapping/);
  });

  it('joins wherever a majority lives, but not before its own earlier membership is forgotten', () => {
    const self = at('db-0', '1-5');
    const alive = member('db-1', { gtidExecuted: gtids('1-6') });
    assert.deepEqual(decide({ self, peers: [view(alive), silent('db-2')], force: true }), { do: 'join' });
    const remembering = member('db-1', {
      members: [{ id: self.serverUuid, state: 'UNREACHABLE', role: '' }],
    });
    assert.equal(decide({ self, peers: [view(remembering)], force: false }).do, 'wait');
    const cutOff = member('db-1', { majority: false });
    assert.equal(decide({ self, peers: [view(cutOff)], force: false }).do, 'wait');
  });

  it('joins a group that can do without it once its primary has dealt with what waited', () => {
    const self = at('db-0', '1-5');
    const step = (of: AgentStatus, ...peers: PeerView[]) => decide({ self: of, peers, force: false }).do;
    const primary = (writableForMs: number): PeerView =>
      view(member('db-1', { gtidExecuted: gtids('1-5'), writable: true, writableForMs }));
    const other = view(member('db-2', { gtidExecuted: gtids('1-5') }));
    assert.equal(step(self, view(member('db-1', { gtidExecuted: gtids('1-5') })), other), 'wait');
    assert.equal(step(self, primary(1000), other), 'wait');
    assert.equal(step(self, primary(3000), other), 'join');
    // Nobody else holds it up, or nobody waits for anything yet.
    assert.equal(step(self, primary(0), silent('db-2')), 'join');
    assert.equal(step(status('db-0'), primary(0), other), 'join');
  });

  it('leaves what failed, opens what is back, and else keeps still', () => {
    const step = (s: AgentStatus): string => decide({ self: s, peers: [], force: false }).do;
    assert.equal(step(status('db-0', { state: 'ERROR' })), 'leave');
    assert.equal(step(member('db-0', { offlineMode: true })), 'open');
    assert.equal(step(member('db-0')), 'nothing');
    assert.equal(step(status('db-0', { state: 'RECOVERING' })), 'nothing');
    assert.equal(step(status('db-0', { state: 'DOWN' })), 'nothing');
  });

  it('leaves when its disk is full and the others can do without it, and comes back when there is room', () => {
    const full = member('db-0', { full: true });
    const step = (self: AgentStatus, ...peers: PeerView[]): string => {
      const taken = decide({ self, peers, force: false });
      return taken.do === 'wait' ? `wait for ${taken.for}` : taken.do;
    };
    const [one, two] = [view(member('db-1', { writable: true })), view(member('db-2'))];
    assert.equal(step(full, one, two), 'leave');
    assert.equal(step(full, one, silent('db-2')), 'nothing');
    assert.equal(step(full, one, view(member('db-2', { full: true }))), 'nothing');
    const left = at('db-0', '1-5');
    assert.equal(step({ ...left, full: true }, one, two), 'wait for room on its disk');
    assert.equal(step({ ...left, gtidExecuted: '', gtidReceived: '' }, one, two), 'join');
  });
});

describe('what a db-agent answers', () => {
  const online = (n: number): AgentStatus['members'] =>
    Array.from({ length: n }, (_, i) => ({ id: String(i), state: 'ONLINE', role: '' }));
  const primary = member('db-0', { role: 'PRIMARY', writable: true, members: online(3) });

  it('primary: only with the role, the majority, the quorum and the newest view', () => {
    assert.ok(answers('primary', primary, [member('db-1'), undefined], 2));
    assert.ok(!answers('primary', primary, [member('db-1', { view: '10:4' })], 2));
    assert.ok(answers('primary', primary, [status('db-1', { view: '10:4', state: 'ERROR' })], 2));
    for (const less of [
      { majority: false },
      { writable: false },
      { offlineMode: true },
      { members: online(1) },
    ]) {
      assert.ok(!answers('primary', { ...primary, ...less }, [], 2), JSON.stringify(less));
    }
    assert.ok(!answers('primary', member('db-1'), [], 2));
  });

  it('nothing while its disk is full, unless there is nobody else', () => {
    const full = { ...primary, full: true };
    for (const question of ['primary', 'readable'] as const) {
      assert.ok(!answers(question, full, [member('db-1')], 2));
      assert.ok(answers(question, full, [undefined], 2));
      assert.ok(answers(question, full, [member('db-1', { full: true })], 2));
    }
  });

  it('replica and readable', () => {
    assert.ok(answers('replica', member('db-1'), [], 2));
    assert.ok(!answers('replica', primary, [], 2));
    assert.ok(answers('readable', primary, [], 2));
    assert.ok(!answers('readable', status('db-0', { state: 'RECOVERING' }), [], 2));
  });

  it('views are ordered by number, not by text', () => {
    assert.ok(compareViews('10:9', '10:10') < 0);
    assert.ok(compareViews('9:99', '10:1') < 0);
    assert.ok(compareViews('', '1:1') < 0);
    assert.equal(compareViews('1:1', '1:1'), 0);
  });
});

describe('what mysqld is asked and told', () => {
  it('reads the answer to the poll', () => {
    const answer = {
      uuid,
      ro: 0,
      off: 0,
      executed: `${uuid}:1-5,\n${uuid}:7`,
      received: null,
      view: '10:3',
      members: [
        { id: uuid, state: 'ONLINE', role: 'PRIMARY' },
        { id: 'b', state: 'RECOVERING', role: 'SECONDARY' },
        { id: 'c', state: 'UNREACHABLE', role: 'SECONDARY' },
      ],
    };
    const state = toLocalState(answer);
    assert.equal(state.state, 'ONLINE');
    assert.equal(state.majority, true);
    assert.equal(state.gtidExecuted, `${uuid}:1-5,${uuid}:7`);
    assert.equal(
      toLocalState({ ...answer, members: [{ id: '', state: 'OFFLINE', role: '' }] }).state,
      'OFFLINE',
    );
  });

  it('writes a my.cnf without secrets, the same for the same configuration', () => {
    const config = agentConfig.parse({
      pod: 'db-0',
      mysqld: '/opt/bin/mysqld',
      dataDir: '/state/pods/db-0/data',
      templateDir: '/cache/template',
      runDir: '/run/db-0',
      sockets: { mysqld: '/run/db-0/mysqld.sock', agent: '/run/db-0/agent.sock' },
      address: '10.77.0.1',
      groupPort: 20_001,
      tlsDir: '/state/pods/db-0/tls',
      peers: [1, 2].map((n) => ({
        pod: `db-${n}`,
        address: `10.77.0.${n + 1}`,
        groupPort: 20_001,
        agent: { socketPath: '/run/db-0/backends.sock', host: `db-${n}.agent` },
      })),
      groupName: uuid,
      secretsFile: '/state/secrets/db.json',
      logFile: '/state/log',
    });
    const text = renderMyCnf(config, { pidFile: '/run/db-0/mysqld.pid', asRoot: false });
    assert.match(text, /^loose_group_replication_member_expel_timeout=0$/m);
    assert.match(
      text,
      /^loose_group_replication_group_seeds=10.77.0.1:20001,10.77.0.2:20001,10.77.0.3:20001$/m,
    );
    assert.match(text, /^ssl_key=\/state\/pods\/db-0\/tls\/current\/tls.key$/m);
    assert.match(text, /^sync_binlog=1$/m);
    assert.doesNotMatch(text, /password=|^user=/m);
    assert.equal(writeQuorumOf(config), 2);
    assert.match(
      serverUuid(uuid, 'db-0'),
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    assert.notEqual(serverUuid(uuid, 'db-0'), serverUuid(uuid, 'db-1'));
  });
});
