import { readFileSync } from 'node:fs';
import { claims, isServing, letsThrough } from '#compose/runner/ready.ts';
import type { RunState } from '#compose/runner/run-file.ts';
import { socketStatus } from '#compose/runner/socket-status.ts';
import { type SocketName, socketPath } from '#compose/topology/paths.ts';
import type { Pod } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import { askStatus } from '#services/db-agent/peers.ts';
import { drainingOf } from '../sidecars/observe.ts';
import type { MeshFacts } from './mesh-of-state.ts';

export interface Health {
  readonly up: boolean;
  readonly says: string;
}

export interface HealthPlaces {
  /** Pods that are out of rotation, whose sidecars are not ready because somebody wants it so. */
  readonly draining: ReadonlySet<string>;
  readonly stateDir: string;
  readonly runDir: string;
  /** File. */
  readonly publicCa: string;
}

export const healthPlaces = (mesh: MeshFacts): HealthPlaces => ({
  stateDir: mesh.stateDir,
  runDir: mesh.state.runDir,
  publicCa: mesh.publicCa,
  draining: drainingOf(mesh),
});

/** Milliseconds for an answer. */
const answerMs = 2000;

/** Asks a pod's sidecar and then its process. Never throws: whatever goes wrong is what it says. */
export async function healthOf(pod: RunState['pods'][number], places: HealthPlaces): Promise<Health> {
  try {
    const ready = await socketStatus(socketPath(places, pod.name, 'admin'), '/ready', answerMs);
    const drained = places.draining.has(pod.name);
    if (ready !== 200 && !drained) return { up: false, says: `its sidecar is not ready (${ready})` };
    const { up, says } = await processHealth(pod as Pod, places);
    return { up, says: drained ? `${says}, drained: \`sallyport undrain ${pod.name}\`` : says };
  } catch (error) {
    return { up: false, says: wordsOf(error) };
  }
}

async function processHealth(pod: Pod, places: HealthPlaces): Promise<Health> {
  const socket = (name: SocketName): string => socketPath(places, pod.name, name);
  switch (pod.role) {
    case 'db': {
      const { state, role, phase, replica } = await askStatus(
        { socketPath: socket('agent'), host: 'agent' },
        answerMs,
      );
      if (replica !== undefined) {
        const up = phase === 'following' && replica.connected;
        return { up, says: up ? `follows ${replica.source}` : `follows nobody (${phase})` };
      }
      return { up: state === 'ONLINE', says: `${state} ${role === '' ? phase : role}` };
    }
    case 'edge': {
      const through = await letsThrough(pod, readFileSync(places.publicCa));
      return { up: through, says: through ? 'lets calls through' : 'lets no call through' };
    }
    case 'worker':
      return { up: await claims(places, pod), says: 'claims tasks' };
    case 'service':
      return { up: true, says: 'its sidecar is ready' };
    case 'backend':
      // Whatever it answers to somebody without an assertion: it answers.
      return { up: (await socketStatus(socket('http'), '/', answerMs)) > 0, says: 'answers' };
    default: {
      const serving = await isServing({ ...places, mesh: '', trustDomain: '', pods: [] }, pod);
      return { up: serving, says: serving ? 'SERVING' : 'NOT_SERVING' };
    }
  }
}

function wordsOf(error: unknown): string {
  if (error instanceof SallyportError) return error.message;
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  return code === 'ENOENT' || code === 'ECONNREFUSED' ? 'it does not listen (yet)' : error.message;
}
