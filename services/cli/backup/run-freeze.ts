import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { secretsDir, socketPath } from '#compose/topology/paths.ts';
import { SallyportError } from '#core/errors/error.ts';
import { users } from '#services/db-agent/accounts.ts';
import { freezeNode } from '#services/db-agent/backup/freeze.ts';
import { agentSecrets } from '#services/db-agent/config.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { runningMesh } from '../mesh/mesh-of-state.ts';
import type { Outcome } from '../report.ts';

export interface FreezeOptions extends CommonOptions {
  readonly seconds?: number;
}

/** `sallyport backup freeze POD` */
export async function runFreeze(
  pod: string,
  { seconds = 20 }: FreezeOptions,
  { stateDir, report, clock, signal }: CommandContext,
): Promise<Outcome> {
  const { pods, state } = runningMesh(stateDir);
  if (!pods.some(({ name, role }) => name === pod && role === 'db')) {
    throw new SallyportError('NOT_FOUND', {
      message: `there is no database node ${pod}`,
      hint: '`sallyport db status` lists them',
    });
  }
  const { root } = agentSecrets.parse(
    JSON.parse(readFileSync(join(secretsDir({ stateDir }), 'database.json'), 'utf8')),
  );
  const socket = socketPath({ stateDir, runDir: state.runDir }, pod, 'mysqld');
  const begun = clock.monotonic();
  await freezeNode(
    { socketPath: socket, user: users.root, password: root },
    { ms: seconds * 1000, clock, signal, onFrozen: () => report.say('frozen') },
  );
  const held = Math.round((clock.monotonic() - begun) / 100) / 10;
  return {
    ok: true,
    figures: [{ name: 'held still for', value: held, unit: 's', goal: '', ok: true }],
    items: { pod },
  };
}
