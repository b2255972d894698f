import { bootstrapFile, type Folders, logFile } from '#compose/topology/paths.ts';
import type { Pod } from '#compose/topology/types.ts';
import { tuningOf } from '../model/load.ts';
import type { MeshModel } from '../model/schema.ts';

/**
 * Arguments with which a pod's sidecar is started. Hot restart is off: a supervisor starts a new Envoy
 * instead, and without its shared memory any number of Envoys live side by side. An unknown field in a
 * resource file rejects the file instead of being dropped.
 */
export function envoyArgs(model: MeshModel, folders: Folders, pod: Pod): string[] {
  const { sidecar } = tuningOf(model, pod.role);
  return [
    '--config-path',
    bootstrapFile(folders, pod.name),
    '--disable-hot-restart',
    '--reject-unknown-dynamic-fields',
    '--concurrency',
    String(sidecar.concurrency),
    '--drain-time-s',
    String(Math.ceil(Number.parseFloat(sidecar.drain_time))),
    '--log-level',
    sidecar.log_level,
    '--log-path',
    logFile(folders, pod.name, 'envoy'),
  ];
}

/** Arguments that check a bootstrap and end; resource files are not read by it: boot an Envoy for those. */
export const validateArgs = (folders: Folders, pod: Pod): string[] => [
  '--mode',
  'validate',
  '--config-path',
  bootstrapFile(folders, pod.name),
  '--disable-hot-restart',
];
