import type { DescService } from '@bufbuild/protobuf';
import type { Client } from '@connectrpc/connect';
import type { CommandContext } from './command.ts';
import { runningMesh } from './mesh/mesh-of-state.ts';
import { askSecurityByConnect } from './operator.ts';
import { askEdges } from './people/ask-edge.ts';
import { readLogin } from './people/login-file.ts';

/**
 * Calls a service of the mesh's security tier as whoever this command line speaks for: the person who is
 * logged in, else the operator whose certificate lies in the state folder. Only for what may be done twice.
 * @throws MESH_NOT_RUNNING; the tier's own error; UNAVAILABLE when no pod answers
 */
export function askTier<S extends DescService, T>(
  { stateDir }: Pick<CommandContext, 'stateDir'>,
  service: S,
  call: (client: Client<S>) => Promise<T>,
): Promise<T> {
  const login = readLogin(stateDir);
  if (login !== undefined) return askEdges(login, service, call);
  const { pods } = runningMesh(stateDir);
  return askSecurityByConnect({ stateDir, pods }, service, call);
}
