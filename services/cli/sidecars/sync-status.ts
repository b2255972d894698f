import { xdsTypes } from '#compose/topology/paths.ts';
import type { Synchronised, SyncState } from '#envoy/admin/synchronised.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { runningMesh, topologyOf } from '../mesh/mesh-of-state.ts';
import type { Outcome } from '../report.ts';
import { table } from '../table.ts';
import { observeSidecars, type SidecarView } from './observe.ts';
import { chosenPods } from './plan.ts';

export interface SyncStatusOptions extends CommonOptions {
  readonly verbose?: boolean;
}

/** `sallyport mesh status` */
export async function runSyncStatus(
  pod: string | undefined,
  { verbose }: SyncStatusOptions,
  { stateDir, report, clock }: CommandContext,
): Promise<Outcome> {
  const mesh = runningMesh(stateDir);
  const topology = topologyOf(mesh);
  const names = chosenPods(topology, pod, undefined);
  const views = await observeSidecars(
    mesh,
    topology.pods.filter(({ name }) => names.includes(name)),
    clock,
  );
  const now = clock.now();
  for (const line of table(
    ['pod', ...xdsTypes, 'last update', 'version', 'state', 'certificate'],
    views.map((view) => [
      view.pod.name,
      ...xdsTypes.map((type) => worst(view.sync.filter((each) => each.type === type))),
      ageText(Math.max(0, ...view.sync.map(({ takenAt }) => takenAt)), now),
      view.server?.version ?? '-',
      stateText(view),
      daysText(view.expiresAt - now),
    ]),
  ))
    report.say(line);
  for (const {
    pod: { name },
    sync,
    silent,
  } of views) {
    if (silent !== undefined) report.say(`${name}: ${silent}`);
    for (const each of sync)
      if (verbose || each.state !== 'SYNCED') report.say(`${name} ${syncText(each, now)}`);
  }
  const all = views.flatMap(({ sync }) => sync);
  const behind = all.filter(({ state }) => state !== 'SYNCED').length;
  const silent = views.filter((view) => view.silent !== undefined).length;
  const figure = (what: string, value: number, unit: string) => ({
    name: what,
    value,
    unit,
    goal: '0',
    ok: value === 0,
  });
  return {
    ok: behind === 0 && silent === 0,
    figures: [
      figure('not synchronised', behind, `of ${all.length} resource files`),
      figure('silent sidecars', silent, `of ${views.length}`),
    ],
    items: {
      items: views.map(({ pod: { name, role }, expiresAt, ...rest }) => ({
        pod: name,
        role,
        certificateExpiresAt: new Date(expiresAt).toISOString(),
        ...rest,
      })),
    },
  };
}

const badness: Readonly<Record<SyncState, number>> = { SYNCED: 0, STALE: 1, NACK: 2 };

/** Of the files of one type what matters most; a dash if the pod has none. */
const worst = (files: readonly Synchronised[]): string =>
  files.reduce<SyncState | '-'>(
    (all, { state }) => (all === '-' || badness[state] > badness[all] ? state : all),
    '-',
  );

const stateText = ({ silent, server, draining, restartNeeded }: SidecarView): string => {
  if (silent !== undefined) return 'silent';
  const words = [draining ? 'draining' : (server?.state ?? '').toLowerCase()];
  if (restartNeeded) words.push('restart needed');
  return words.join(', ');
};

function syncText(
  { type, resource, state, version, wanted, takenAt, refused, reason }: Synchronised,
  now: number,
): string {
  const name = type === resource ? type : `${type}/${resource}`;
  const has = version === '' ? 'has none' : `has ${version}`;
  const wants = wanted === version ? '' : `, on disk is ${wanted === '' ? 'none' : wanted}`;
  const times = refused > 0 ? `, ${refused} refused since its start` : '';
  return `${name} ${state}: ${has}${wants}, taken ${ageText(takenAt, now)}${times}${reason === '' ? '' : `: ${reason}`}`;
}

/** `12 s ago`; `never` for 0. */
export function ageText(at: number, now: number): string {
  if (at === 0) return 'never';
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}

const daysText = (ms: number): string =>
  ms < 0
    ? 'EXPIRED'
    : ms < 172_800_000
      ? `${Math.floor(ms / 3_600_000)} h left`
      : `${Math.floor(ms / 86_400_000)} d left`;
