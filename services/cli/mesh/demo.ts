import type { CommandContext } from '../command.ts';
import type { MeshFacts } from './mesh-of-state.ts';

export async function runDemo(_mesh: Pick<MeshFacts, 'edgeUrls'>, _command: CommandContext): Promise<void> {}
