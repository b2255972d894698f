import { join } from 'node:path';
import { findMysql } from '#compose/parts/mysql.ts';
import { chooseSnapshot } from '#services/db-agent/backup/choose-snapshot.ts';
import { proveSnapshot } from '#services/db-agent/backup/prove.ts';
import { readBackup } from '#services/db-agent/backup/read-backup.ts';
import { withScratch } from '#services/db-agent/backup/scratch.ts';
import type { CommandContext } from '../command.ts';
import type { Figure, Outcome } from '../report.ts';
import { bytesOf } from './run-list.ts';
import { type TargetOptions, withSource } from './target.ts';

export interface VerifyOptions extends TargetOptions {
  readonly quick?: boolean;
}

/** `sallyport backup verify` */
export function runVerify(
  options: VerifyOptions,
  command: CommandContext,
  id: string | undefined,
): Promise<Outcome> {
  const { report, env, clock, signal } = command;
  return withSource(options, command, async (source) => {
    const begun = clock.monotonic();
    const manifest = await chooseSnapshot(source, { id });
    report.progress(`reading ${manifest.id}`);
    const { segments, passedOver } = await readBackup(source, manifest, signal);
    for (const name of passedOver) report.say(`${name} is damaged; this snapshot does not need it.`);
    const figures: Figure[] = [
      { name: 'read', value: bytesOf(manifest), unit: 'bytes', goal: '', ok: true },
      { name: 'stretches of the log', value: segments, unit: 'stretches', goal: '', ok: true },
    ];
    if (options.quick !== true) {
      const tools = await findMysql({ env, progress: report.progress, signal });
      report.progress('restoring it into a server of its own');
      const proof = await withScratch((scratch) =>
        proveSnapshot(source, manifest, { tools, scratch: join(scratch, 'proof'), clock, signal }),
      );
      await source.documents.putProof(proof);
      figures.push({ name: 'rows compared', value: proof.rows, unit: 'rows', goal: '', ok: true });
      const rto = Math.round(proof.tookMs / 100) / 10;
      figures.push({ name: 'measured RTO', value: rto, unit: 's', goal: '', ok: true });
    }
    report.say(`${manifest.id} is whole${options.quick === true ? '' : ', and restores to what was saved'}.`);
    const took = Math.round((clock.monotonic() - begun) / 100) / 10;
    figures.push({ name: 'took', value: took, unit: 's', goal: '', ok: true });
    return { ok: true, figures, items: { items: [{ id: manifest.id }], passedOver } };
  });
}
