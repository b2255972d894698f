import { execFile } from 'node:child_process';
import { access, chmod, cp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { serverUuid } from './my-cnf.ts';

const run = promisify(execFile);

export interface DataDirOptions {
  readonly pod: string;
  readonly groupName: string;
  readonly dataDir: string;
  readonly templateDir: string;
}

/**
 * Makes the data directory from the template unless it is there; returns whether it was made. It appears
 * by one rename, so a copy that was cut off is never taken for data.
 */
export async function prepareDataDir(o: DataDirOptions): Promise<boolean> {
  if (await exists(o.dataDir)) {
    await identify(o, o.dataDir);
    return false;
  }
  const unfinished = `${o.dataDir}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(dirname(o.dataDir), { recursive: true });
  if (process.platform === 'linux') {
    // Sparse: most of a fresh InnoDB directory is zeroes. The copy is ours, whoever keeps the template.
    const how = ['-a', '--no-preserve=ownership', '--reflink=auto', '--sparse=always'];
    await run('cp', [...how, o.templateDir, unfinished]);
  } else {
    await cp(o.templateDir, unfinished, { recursive: true, preserveTimestamps: true });
  }
  await chmod(unfinished, 0o700);
  await identify(o, unfinished);
  await rename(unfinished, o.dataDir);
  return true;
}

/** A pod has another uuid in another group. Only while no mysqld runs on the data. */
const identify = ({ groupName, pod }: DataDirOptions, dataDir: string): Promise<void> =>
  writeFile(join(dataDir, 'auto.cnf'), `[auto]\nserver-uuid=${serverUuid(groupName, pod)}\n`);

/** Moves the data to `<dataDir>.aside`, in place of any that lie there. Gives that path. */
export async function putDataAside(dataDir: string): Promise<string> {
  const aside = `${dataDir}.aside`;
  if (!(await exists(dataDir))) return aside;
  await rm(aside, { recursive: true, force: true });
  await rename(dataDir, aside);
  return aside;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    // Whatever hides it, the copy below will say so.
    return false;
  }
}
