import { randomUUID } from 'node:crypto';
import { socketPath } from '#compose/topology/paths.ts';
import { podsOfGroup } from '#compose/topology/query.ts';
import { SallyportError } from '#core/errors/error.ts';
import { type GatewayCall, gatewayCalls } from '#services/tasks/connectors/gateway.ts';
import type { OwnMesh } from '../../mesh.ts';
import type { StepContext } from '../drill.ts';
import { commandsRun } from './ground.ts';

/** Each kind of call is made again so long after its answer, milliseconds. */
const pauseMs = 20;
const base = 'dc=example,dc=org';
const dn = `uid=ada,${base}`;

type Kind = 'tcp' | 'search' | 'replace' | 'command' | 'command, repeatable';

interface Tally {
  answered: number;
  /** Nobody knows what came of them. */
  unknown: number;
  /** Reasons of all other failures. */
  readonly failed: string[];
  slowestMs: number;
}

/** Calls through the group's gateways as steps of tasks make them, one of each kind at a time, the victim asked first. */
export function startConnectorCalls(
  mesh: OwnMesh,
  victim: string,
): { stop(): Promise<ReadonlyMap<Kind, Tally>> } {
  const others = podsOfGroup(mesh.topology, 'hr').flatMap(({ name }) => (name === victim ? [] : [name]));
  const connector = gatewayCalls({
    out: { address: `unix:${socketPath(mesh.topology, 'sec-0', 'out')}`, defaultDeadlineMs: 20_000 },
    gatewaysOf: () => [victim, ...others],
  });
  const signal = new AbortController().signal;
  const tallies = new Map<Kind, Tally>();
  let stopped = false;
  const strand = async (kind: Kind, callOf: (n: number) => Omit<GatewayCall, 'group'>): Promise<void> => {
    const tally: Tally = { answered: 0, unknown: 0, failed: [], slowestMs: 0 };
    tallies.set(kind, tally);
    for (let n = 0; !stopped; n++) {
      const begun = performance.now();
      try {
        const call = { ...callOf(n), group: 'hr' };
        await connector.act(call, { taskId: kind, token: `${kind}-${n}`, attempt: 1, signal });
        tally.answered += 1;
      } catch (thrown) {
        const { reason, message } = SallyportError.from(thrown);
        if (reason === 'TARGET_SILENT') tally.unknown += 1;
        else tally.failed.push(`${kind}: ${reason}: ${message}`);
      }
      tally.slowestMs = Math.max(tally.slowestMs, performance.now() - begun);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const run = { target: 'command' };
  // Another drill on the same mesh runs it, too.
  const drill = randomUUID();
  const running = Promise.all([
    strand('tcp', () => ({ target: 'echo', act: { tcp: true }, input: 'ping' })),
    strand('search', () => ({ target: 'directory', act: { search: { base, filter: '(uid=ada)' } } })),
    strand('replace', (n) => ({
      target: 'directory',
      act: { replace: { dn, attribute: 'sn', values: [`Ada ${n}`] } },
    })),
    strand('command', (n) => ({ ...run, act: { command: { n: `once-${drill}-${n}` } } })),
    strand('command, repeatable', (n) => ({
      ...{ ...run, repeatable: 'yes' },
      act: { command: { n: `yes-${drill}-${n}` } },
    })),
  ]);
  return {
    stop: async () => {
      stopped = true;
      await running;
      await connector.close();
      return tallies;
    },
  };
}

/** One call of each kind at most is under way when the gateway is lost; what may be repeated is answered all the same. */
export function judgeConnectorCalls(
  { figure, note, mesh }: Pick<StepContext, 'figure' | 'note' | 'mesh'>,
  tallies: ReadonlyMap<Kind, Tally>,
): void {
  const isOnce = (kind: Kind): boolean => kind === 'tcp' || kind === 'command';
  const sum = (of: (tally: Tally) => number, which: (kind: Kind) => boolean = () => true): number =>
    [...tallies].reduce((total, [kind, tally]) => (which(kind) ? total + of(tally) : total), 0);
  for (const [kind, { answered, unknown, failed, slowestMs }] of tallies) {
    note(
      `${kind}: ${answered} answered, ${unknown} with unknown outcome, slowest ${Math.round(slowestMs)} ms` +
        (failed.length > 0 ? `, failed: ${[...new Set(failed)].join('; ')}` : ''),
    );
  }
  const twice = [...commandsRun(mesh.stateDir)].filter(([n, times]) => n.startsWith('once-') && times > 1);
  const count = (name: string, value: number, atMost: number) => figure({ name, value, unit: '', atMost });
  figure({
    name: 'calls of connectors (TCP, LDAP, command)',
    value: sum(({ answered }) => answered),
    unit: '',
    atLeast: 10,
  });
  count(
    'of those that may be repeated, failed',
    sum(
      ({ unknown, failed }) => unknown + failed.length,
      (kind) => !isOnce(kind),
    ),
    0,
  );
  count(
    'of those that may not be repeated, unknown outcome (one of each kind in flight)',
    sum(({ unknown }) => unknown, isOnce),
    2,
  );
  count(
    'of those that may not be repeated, failed otherwise',
    sum(({ failed }) => failed.length, isOnce),
    0,
  );
  count('commands that may not be repeated and were run twice', twice.length, 0);
  figure({
    name: 'slowest call of a connector',
    value: Math.round(Math.max(...[...tallies.values()].map(({ slowestMs }) => slowestMs))),
    unit: 'ms',
  });
}
