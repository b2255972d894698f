import { socketPath } from '#compose/topology/paths.ts';
import { SallyportError } from '#core/errors/error.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { askBackup } from '#services/db-agent/backup/ask.ts';
import type { BackupAnswer } from '#services/db-agent/backup/duty.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { runningMesh } from '../mesh/mesh-of-state.ts';
import type { Outcome } from '../report.ts';
import { scheduledJob } from './target.ts';

export interface NowOptions extends CommonOptions {
  /** Seconds. */
  readonly timeout?: number;
}

const timeoutSeconds = 1800;

/** `sallyport backup now`: asks the node whose turn it is, and waits until the snapshot is proven. */
export async function runNow(
  { timeout = timeoutSeconds }: NowOptions,
  { stateDir, report, clock, signal }: CommandContext,
): Promise<Outcome> {
  if (scheduledJob(stateDir) === undefined) throw new SallyportError('BACKUP_NOT_SCHEDULED');
  const mesh = runningMesh(stateDir);
  const socketOf = (pod: string): string => socketPath({ stateDir, runDir: mesh.state.runDir }, pod, 'agent');
  const pods = mesh.pods.filter(({ role }) => role === 'db').map(({ name }) => name);
  const begun = clock.monotonic();
  const waiting = { timeoutMs: timeout * 1000, everyMs: 300, signal, clock };
  // It may just have been scheduled, or its node may have been lost.
  const pod = await waitFor(
    async () => {
      for (const name of pods) {
        const answer = await askBackup(socketOf(name), 'GET').catch(() => undefined);
        if (answer?.mine === true) return name;
      }
      return undefined;
    },
    { ...waiting, what: 'a database node that makes backups' },
  );
  const { asked } = await askBackup(socketOf(pod), 'POST');
  report.progress(`${pod} makes a snapshot`);
  let phase = '';
  const answer: BackupAnswer = await waitFor(
    async () => {
      const now = await askBackup(socketOf(pod), 'GET');
      const { word } = now;
      if (word !== undefined && word.phase !== phase) report.progress(`${pod}: ${word.phase}`);
      phase = word?.phase ?? phase;
      return !now.mine || now.asked < asked || (word?.answered ?? 0) >= asked ? now : undefined;
    },
    { ...waiting, what: `${pod} to make a snapshot` },
  );
  const { last, error } = answer.word ?? {};
  if (error !== undefined)
    throw new SallyportError('UNAVAILABLE', { message: error.message, hint: hintOf(error.reason) });
  if (last === undefined || answer.asked < asked)
    throw new SallyportError('UNAVAILABLE', { message: `${pod} stopped making backups` });
  report.say(`Snapshot ${last.id} was taken, and restored into a server of its own.`);
  const seconds = (ms: number): number => Math.round(ms / 100) / 10;
  return {
    ok: true,
    figures: [
      { name: 'taken in', value: seconds(last.tookMs), unit: 's', goal: '', ok: true },
      { name: 'measured RTO', value: seconds(last.proofMs), unit: 's', goal: '', ok: true },
      { name: 'all of it', value: seconds(clock.monotonic() - begun), unit: 's', goal: '', ok: true },
    ],
    items: { items: [last] },
  };
}

const hintOf = (reason: string): string =>
  `${reason}: see \`sallyport logs\` of that pod; it is tried again by itself`;
