import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { PartsError } from './errors.ts';
import { withLock } from './lock.ts';
import type { MysqlPart } from './mysql.ts';
import { cacheDirOf, type PartsOptions, PLATFORM_KEY } from './options.ts';
import { run, tail } from './run.ts';
import { isComplete, replaceFolder, syncFolder, withTempFolder } from './temp-folder.ts';

/** Counts up whenever the same server version would be initialised otherwise: older templates are then left aside. */
const RECIPE = 1;
const TIMEOUT_MS = 5 * 60_000;

/** Fast rather than crash-safe: a template that was not finished is thrown away. */
const INITIALISE = [
  '--initialize-insecure',
  // No binary log, hence no GTIDs: a node that starts from the template has an empty history.
  '--skip-log-bin',
  '--innodb-flush-log-at-trx-commit=0',
  '--innodb-doublewrite=OFF',
  '--innodb-redo-log-capacity=32M',
  '--performance-schema=OFF',
  '--skip-mysqlx',
  '--secure-file-priv=NULL',
  '--auto-generate-certs=OFF',
];

/**
 * The path of a clean, shut-down data directory for this MySQL, made once (about 3 s) and kept in the cache:
 * `root@localhost` without a password, no other account, no GTIDs, no binary log, no `auto.cnf`, no keys. Copy it
 * (`cp -a --sparse=always`), give the copy a server uuid, and start it with the default `innodb_data_file_path`
 * and `lower_case_table_names`, which are fixed at initialisation.
 *
 * May run while other things start. Two callers at once build once; one that is killed leaves nothing that is used.
 *
 * @throws PartsError TEMPLATE_FAILED, CACHE_UNUSABLE, LOCK_TIMEOUT, ABORTED
 */
export async function mysqlTemplate(
  mysql: Pick<MysqlPart, 'mysqld' | 'version'>,
  o: PartsOptions,
): Promise<string> {
  const dir = path.join(cacheDirOf(o), `mysql-template-${mysql.version}-${PLATFORM_KEY}-${RECIPE}`);
  const data = path.join(dir, 'data');
  if (isComplete(dir)) return data;
  return withLock(`${dir}.lock`, 'preparing the database template', o, async () => {
    if (isComplete(dir)) return data;
    o.progress(`preparing the database template for MySQL ${mysql.version} (once)`);
    await withTempFolder(dir, async (tmp) => {
      const out = path.join(tmp, 'out');
      await mkdir(out);
      await initialise(mysql.mysqld, path.join(out, 'data'), path.join(tmp, 'init.log'), o);
      await syncFolder(out);
      await replaceFolder(out, dir, tmp);
    });
    return data;
  });
}

async function initialise(mysqld: string, data: string, log: string, o: PartsOptions): Promise<void> {
  // mysqld refuses to run as root unless told so.
  const user = process.getuid?.() === 0 ? ['--user=root'] : [];
  const args = ['--no-defaults', ...INITIALISE, ...user, `--datadir=${data}`, `--log-error=${log}`];
  const result = await run(mysqld, args, { env: o.env, timeoutMs: TIMEOUT_MS, signal: o.signal });
  if (!result.ok) {
    const said = await readFile(log, 'utf8').catch(() => '');
    const errors = said.split('\n').filter((line) => line.includes('[ERROR]'));
    const reason = tail(errors.join('\n') || said || result.stderr);
    throw new PartsError(
      'TEMPLATE_FAILED',
      `${mysqld} could not initialise a data directory (${result.ending}):\n${reason}`,
      {
        hint: 'See whether the disk of the cache folder is full. A packaged mysqld may be confined to its own folders (AppArmor on Ubuntu, SELinux on Fedora): then set MYSQL_HOME to another one.',
        tried: [`${mysqld} --initialize-insecure: ${result.ending}`],
      },
    );
  }
  // What must differ between nodes, and keys that must not be shared, do not belong into a template.
  for (const name of await readdir(data)) {
    if (name === 'auto.cnf' || name === 'ib_buffer_pool' || name.endsWith('.pem'))
      await rm(path.join(data, name));
  }
}
