import path from 'node:path';
import { PartsError } from './errors.ts';
import { executablesOnPath, isExecutable } from './executables.ts';
import { fetchMysql } from './fetch-mysql.ts';
import { inspectMysql, type MysqlPrograms } from './inspect-mysql.ts';
import { makeFolder } from './lock.ts';
import { cacheDirOf, type PartSource, type PartsOptions, PLATFORM_KEY } from './options.ts';
import { forget, isComplete } from './temp-folder.ts';

export interface MysqlPart extends MysqlPrograms {
  /** The folder of the installation: what `MYSQL_HOME` would name. */
  readonly home: string;
  /** Folder of the server's plugins; group_replication.so and mysql_clone.so are in it. */
  readonly pluginDir: string;
  /** Such as `9.7.4`; at least 8.4. */
  readonly version: string;
  readonly source: PartSource;
}

/**
 * Finds MySQL 8.4 or newer with the plugins group_replication and mysql_clone and its client programs:
 * `MYSQL_HOME`, else PATH, else the cache, else fetched from Debian (fetch-mysql.sh). The fetched `mysqld` is a
 * shell wrapper that `exec`s the server, so the pid of the child is the server's.
 *
 * @throws PartsError MYSQL_UNSUITABLE (what `MYSQL_HOME` names cannot be used), or why it could not be fetched
 */
export async function findMysql(o: PartsOptions): Promise<MysqlPart> {
  const explicit = o.env.MYSQL_HOME;
  if (explicit) return explicitMysql(path.resolve(explicit), o);
  const tried = ['MYSQL_HOME: not set'];

  const candidates = await executablesOnPath('mysqld', o.env);
  if (candidates.length === 0) tried.push('PATH: no mysqld');
  for (const mysqld of candidates) {
    const part = await inspect(mysqld, path.dirname(path.dirname(mysqld)), 'path', o);
    if (typeof part !== 'string') return part;
    tried.push(`PATH: ${mysqld} ${part}`);
    o.progress(`not using ${mysqld}: it ${part}`);
  }

  const dir = path.join(cacheDirOf(o), `mysql-${PLATFORM_KEY}`);
  const mysqld = path.join(dir, 'bin', 'mysqld');
  if (isComplete(dir)) {
    const part = await inspect(mysqld, dir, 'cache', o);
    if (typeof part !== 'string') return part;
    tried.push(`cache: ${dir} ${part}`);
    o.progress(`not using ${dir}: it ${part}`);
    await forget(dir);
  } else {
    tried.push(`cache: nothing complete in ${dir}`);
  }

  try {
    await makeFolder(path.dirname(dir));
    await fetchMysql(dir, o);
  } catch (e) {
    throw e instanceof PartsError ? e.after(tried) : e;
  }
  const part = await inspect(mysqld, dir, 'fetched', o);
  if (typeof part !== 'string') return part;
  throw new PartsError('FETCHED_PART_BROKEN', `The fetched MySQL, ${dir}, ${part}.`, {
    hint: `Remove ${dir} and start again, or set MYSQL_HOME to a MySQL 8.4 or newer.`,
    tried,
  });
}

async function explicitMysql(home: string, o: PartsOptions): Promise<MysqlPart> {
  const places = ['bin/mysqld', 'sbin/mysqld', 'libexec/mysqld'].map((place) => path.join(home, place));
  let problem = 'has neither bin/mysqld nor sbin/mysqld nor libexec/mysqld';
  for (const mysqld of places) {
    if (!(await isExecutable(mysqld))) continue;
    const part = await inspect(mysqld, home, 'explicit', o);
    if (typeof part !== 'string') return part;
    problem = part;
    break;
  }
  throw new PartsError('MYSQL_UNSUITABLE', `MYSQL_HOME is ${home}, but that ${problem}.`, {
    hint: 'Let MYSQL_HOME name the folder of a MySQL 8.4 or newer with the plugins group_replication and mysql_clone, or unset it: MySQL is then found or fetched.',
    tried: [`MYSQL_HOME: ${home} ${problem}`],
  });
}

/** The part, or why it will not do. */
async function inspect(
  mysqld: string,
  home: string,
  source: PartSource,
  o: PartsOptions,
): Promise<MysqlPart | string> {
  const seen = await inspectMysql(mysqld, o);
  if (seen.problem !== undefined) return seen.problem;
  return { home, ...seen.programs, pluginDir: seen.pluginDir, version: seen.version, source };
}
