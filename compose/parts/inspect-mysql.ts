import { existsSync } from 'node:fs';
import path from 'node:path';
import { executablesOnPath, isExecutable } from './executables.ts';
import type { Env, PartsOptions } from './options.ts';
import { run, tail } from './run.ts';

/** The programs of one MySQL installation, as absolute paths. */
export interface MysqlPrograms {
  readonly mysqld: string;
  readonly mysql: string;
  readonly mysqldump: string;
  readonly mysqlbinlog: string;
  readonly mysqladmin: string;
}

export type InspectedMysql =
  | {
      readonly programs: MysqlPrograms;
      readonly version: string;
      readonly pluginDir: string;
      readonly problem?: never;
    }
  | { readonly problem: string };

/** 8.4 is the first release with the group replication defaults and statements that db-agent relies on. */
const OLDEST = [8, 4] as const;
const PLUGINS = ['group_replication.so', 'mysql_clone.so'];
const TIMEOUT_MS = 20_000;

/** Whether this mysqld and the clients that belong to it will do, or why not (`is MySQL 8.0.36, …`). */
export async function inspectMysql(mysqld: string, o: PartsOptions): Promise<InspectedMysql> {
  if (!(await isExecutable(mysqld))) return { problem: 'is not an executable file' };
  const told = await run(mysqld, ['--no-defaults', '--version'], {
    env: o.env,
    timeoutMs: TIMEOUT_MS,
    signal: o.signal,
  });
  if (!told.ok)
    return { problem: `does not tell its version (${told.ending}) ${tail(told.stderr, 1)}`.trim() };
  // "/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))"
  const [, version = '', major = '', minor = ''] = /\bVer ((\d+)\.(\d+)\.\d+)/.exec(told.stdout) ?? [];
  if (version === '') return { problem: 'does not answer --version as MySQL does' };
  if (/mariadb/i.test(told.stdout)) return { problem: 'is MariaDB, which has no Group Replication' };
  if (Number(major) < OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) < OLDEST[1])) {
    return { problem: `is MySQL ${version}, older than ${OLDEST.join('.')}` };
  }

  const help = ['--no-defaults', '--verbose', '--help'];
  const said = await run(mysqld, help, { env: o.env, timeoutMs: TIMEOUT_MS, signal: o.signal });
  const pluginDir = /^plugin-dir\s+(\/.*?)\/?\s*$/m.exec(said.stdout)?.[1];
  if (pluginDir === undefined) return { problem: `does not tell its plugin folder (${said.ending})` };
  const missing = PLUGINS.filter((name) => !existsSync(path.join(pluginDir, name)));
  if (missing.length > 0) return { problem: `has no ${missing.join(' and no ')} in ${pluginDir}` };

  const client = (name: string) => clientOf(mysqld, name, o.env);
  const [mysql, mysqldump, mysqlbinlog, mysqladmin] = await Promise.all([
    client('mysql'),
    client('mysqldump'),
    client('mysqlbinlog'),
    client('mysqladmin'),
  ]);
  const programs = { mysqld, mysql, mysqldump, mysqlbinlog, mysqladmin };
  const absent = Object.entries(programs).flatMap(([name, file]) => (file === undefined ? [name] : []));
  if (!hasAll(programs)) return { problem: `comes without the client programs ${absent.join(', ')}` };
  return { programs, version, pluginDir };
}

/** Beside mysqld, in the bin folder of its prefix (Debian: /usr/sbin/mysqld and /usr/bin/mysql), or on PATH. */
async function clientOf(mysqld: string, name: string, env: Env): Promise<string | undefined> {
  const dir = path.dirname(mysqld);
  for (const file of [path.join(dir, name), path.join(dir, '..', 'bin', name)]) {
    if (await isExecutable(file)) return file;
  }
  return (await executablesOnPath(name, env))[0];
}

function hasAll(
  programs: { readonly [K in keyof MysqlPrograms]: string | undefined },
): programs is MysqlPrograms {
  return Object.values(programs).every((file) => file !== undefined);
}
