import type { Connectors } from './connectors/connectors.ts';
import type { TaskDefinition } from './engine/definition.ts';
import { report } from './routine/report.ts';
import { rotateKeys } from './routine/rotate-keys.ts';
import { sourceSync } from './routine/source-sync.ts';
import { workflows } from './workflows/workflows.ts';

/** The kinds of tasks that this release's workers run, in all versions with which something may have begun. */
export const definitions = (connectors: () => Connectors): readonly TaskDefinition[] => [
  ...workflows(connectors),
  report(connectors),
  rotateKeys(connectors),
  sourceSync(connectors),
];
