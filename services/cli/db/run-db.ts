import { socketPath } from '#compose/topology/paths.ts';
import { groupOf, replicasOf } from '#compose/topology/query.ts';
import { SallyportError } from '#core/errors/error.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { parseGtidSet, sizeOf } from '#services/db-agent/gtid.ts';
import { askNodes, orderNode, type RecoveryOptions, recoverGroup } from '#services/db-agent/recovery.ts';
import { recoveryPlan } from '#services/db-agent/recovery-plan.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { runningMesh } from '../mesh/mesh-of-state.ts';
import type { Outcome } from '../report.ts';
import { table } from '../table.ts';

export interface RecoverOptions extends CommonOptions {
  readonly force?: boolean;
  readonly from?: string;
  /** Seconds. */
  readonly timeout?: number;
}

const timeoutSeconds = 180;

/** `sallyport db status` */
export async function runDbStatus({ stateDir, report }: CommandContext): Promise<Outcome> {
  const views = await askNodes(nodesOf(stateDir));
  const plan = recoveryPlan(views);
  const nodes = views.map(({ pod, status }) => ({
    pod,
    state: status?.state ?? 'no answer',
    role: status?.role ?? '',
    phase: status?.phase ?? '',
    transactions: status === undefined ? 0 : sizeOf(parseGtidSet(status.gtidExecuted)),
    gtidExecuted: status?.gtidExecuted ?? '',
    gtidReceived: status?.gtidReceived ?? '',
    waitingFor: status?.waitingFor ?? '',
    error: status?.error ?? '',
  }));
  const rows = nodes.map((n) => [
    n.pod,
    n.state,
    n.role,
    n.phase,
    String(n.transactions),
    n.waitingFor || n.error,
  ]);
  for (const line of table(['node', 'state', 'role', 'does', 'transactions', 'waits for'], rows))
    report.say(line);
  if (plan.is === 'stuck') {
    report.say('');
    report.say(
      `Nobody forms the group by itself. Without ${plan.missing.join(', ') || 'a decision'} may be lost: ${plan.mayLose}`,
    );
    report.say('hint: `sallyport db recover` waits for all nodes; with --force it goes on without them');
  }
  const online = nodes.filter(({ state }) => state === 'ONLINE').length;
  const ok = plan.is === 'up';
  return {
    ok,
    figures: [
      { name: 'members', value: online, unit: 'nodes', goal: `${nodes.length}, one of them primary`, ok },
    ],
    items: { nodes, plan },
  };
}

/** `sallyport db recover` */
export async function runDbRecover(
  { force = false, from, timeout = timeoutSeconds }: RecoverOptions,
  { stateDir, report, clock, signal }: CommandContext,
): Promise<Outcome> {
  if (from !== undefined && !force) {
    throw new SallyportError('INVALID_FIELD', { message: '--from needs --force', hint: 'add --force' });
  }
  const nodes = nodesOf(stateDir);
  if (from !== undefined && !nodes.some(({ pod }) => pod === from)) throw noSuchNode(from, nodes);
  const begun = clock.monotonic();
  const options = { nodes, force, from, timeoutMs: timeout * 1000, clock, signal };
  const done = await recoverGroup({ ...options, progress: report.progress });
  const { primary, mayHaveLost, missing, putAside } = done;
  report.say(
    `${primary} is primary${done.forced === undefined ? '' : `; ${done.forced} formed the group on your word`}`,
  );
  if (mayHaveLost !== '') report.say(`may have been lost: ${mayHaveLost}`);
  if (putAside.length > 0) report.say(`put aside: the earlier data of ${putAside.join(', ')}`);
  if (missing.length > 0) report.say(`${missing.join(', ')} joins when it is back`);
  if (2 * missing.length >= nodes.length) report.say('nothing is written until most nodes are members again');
  const seconds = Math.round((clock.monotonic() - begun) / 100) / 10;
  return {
    ok: true,
    figures: [
      { name: 'members', value: nodes.length - missing.length, unit: 'nodes', goal: '', ok: true },
      { name: 'took', value: seconds, unit: 's', goal: '', ok: true },
    ],
    items: { ...done },
  };
}

/** `sallyport db rebuild POD` */
export async function runDbRebuild(
  pod: string,
  { timeout = timeoutSeconds }: RecoverOptions,
  { stateDir, report, clock, signal }: CommandContext,
): Promise<Outcome> {
  const nodes = [...nodesOf(stateDir), ...nodesOf(stateDir, replicasOf)];
  const node = nodes.find((each) => each.pod === pod);
  if (node === undefined) throw noSuchNode(pod, nodes);
  const begun = clock.monotonic();
  await orderNode(node, '/rebuild');
  report.progress(`${pod} puts its data aside and copies the group's`);
  await waitFor(
    async () => {
      const [view] = await askNodes([node]);
      return view?.status?.state === 'ONLINE' || view?.status?.phase === 'following';
    },
    { timeoutMs: timeout * 1000, everyMs: 500, what: `${pod} to be a member`, signal, clock },
  );
  const seconds = Math.round((clock.monotonic() - begun) / 100) / 10;
  return {
    ok: true,
    figures: [{ name: 'took', value: seconds, unit: 's', goal: '', ok: true }],
    items: { pod },
  };
}

type Nodes = RecoveryOptions['nodes'];

function nodesOf(stateDir: string, ofWhom: typeof groupOf = groupOf): Nodes {
  const { state } = runningMesh(stateDir);
  return ofWhom(state).map(({ name }) => ({
    pod: name,
    agent: { socketPath: socketPath({ stateDir, runDir: state.runDir }, name, 'agent'), host: 'agent' },
  }));
}

const noSuchNode = (pod: string, nodes: RecoveryOptions['nodes']): SallyportError =>
  new SallyportError('NOT_FOUND', {
    message: `there is no database node ${pod}`,
    hint: `there are ${nodes.map((each) => each.pod).join(', ')}`,
  });
