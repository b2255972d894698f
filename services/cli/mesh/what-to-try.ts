import type { Mesh } from '#compose/runner/mesh.ts';

/** Where the mesh is, and what is worth typing next, in another terminal. */
export function tellWhatToTry(
  mesh: Pick<Mesh, 'edgeUrls' | 'publicCa' | 'stateDir' | 'demo'>,
  say: (line: string) => void,
): void {
  say('');
  say(`Edges:    ${mesh.edgeUrls.join('  ')}`);
  say(`Their CA: ${mesh.publicCa}`);
  say(`Log in as ${mesh.demo.user}; the password is in ${mesh.demo.passwordFile}`);
}
