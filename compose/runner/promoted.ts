import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { podDir, secretsDir } from '#compose/topology/paths.ts';
import { replaceFile } from '#kernel/config/state-file.ts';
import { Promotions } from '#services/db-agent/promotion.ts';
import type { KeptSettings } from './settings.ts';
import type { SlaveSite } from './sites.ts';

/**
 * A promotion that was cut off between the replica's word and the runner's is gone on with: the replica's is what counts,
 * since the others have heard it.
 */
export function adoptPromotion(stateDir: string, kept: KeptSettings, slave: SlaveSite | undefined): void {
  const file = join(secretsDir({ stateDir }), 'group-name');
  if (slave === undefined || !existsSync(file)) return;
  const groupName = readFileSync(file, 'utf8').trim();
  for (const [pod, master] of [
    [`db-${slave.name}-0`, slave.name],
    ['db-0', undefined],
  ] as const) {
    const own = new Promotions(podDir({ stateDir, runDir: '' }, pod)).of(groupName);
    if (own?.pod !== pod) continue;
    kept.keepPromoted({ master, alone: true });
    replaceFile(file, `${own.to}\n`, { flush: true });
  }
}
