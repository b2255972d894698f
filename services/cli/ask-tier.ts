import type { DescService } from '@bufbuild/protobuf';
import type { GrpcClient } from '#kernel/rpc/grpc-client.ts';
import type { CommandContext } from './command.ts';
import { runningMesh } from './mesh/mesh-of-state.ts';
import { askSecurity } from './operator.ts';

/**
 * Calls a service of the running mesh's security tier as whoever this command line speaks for. Only for what
 * may be done twice.
 * @throws MESH_NOT_RUNNING; the tier's own error; UNAVAILABLE when no pod answers
 */
export function askTier<S extends DescService, T>(
  { stateDir }: Pick<CommandContext, 'stateDir'>,
  service: S,
  call: (client: GrpcClient<S>) => Promise<T>,
): Promise<T> {
  const { pods } = runningMesh(stateDir);
  return askSecurity({ stateDir, pods }, service, call);
}
