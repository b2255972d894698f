import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A file that was read whole. */
export interface ReadFile {
  readonly path: string;
  readonly bytes: Buffer;
}

/** Every file below a folder but for those that `leaveOut` names; those that vanish meanwhile are left out too. */
export function* filesBelow(
  dir: string,
  leaveOut: (path: string) => boolean = () => false,
): Generator<ReadFile> {
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    if (leaveOut(path)) continue;
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) yield* filesBelow(path, leaveOut);
    else if (stat?.isFile()) yield { path, bytes: readFileSync(path) };
  }
}

/** All that the processes of a mesh have logged, by pods and programs. */
export const logsOf = (stateDir: string): ReadFile[] =>
  [...filesBelow(join(stateDir, 'pods'), (path) => path.endsWith('/data'))].filter(({ path }) =>
    /\/log\/|\.log(\.\d+)?$/.test(path),
  );
