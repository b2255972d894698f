import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { PartsError } from './errors.ts';
import { type FakeMachine, fakeMachine, fakeMysqld, fakeMysqlHome } from './fake-programs.ts';
import { findMysql } from './mysql.ts';
import { PLATFORM_KEY } from './options.ts';

const failing =
  (code: string, ...said: RegExp[]) =>
  (e: unknown) => {
    assert.ok(e instanceof PartsError, String(e));
    assert.equal(e.code, code, e.message);
    for (const pattern of said) assert.match(`${e.message}\n${e.hint}\n${e.tried.join('\n')}`, pattern);
    return true;
  };

describe('finding MySQL', () => {
  let m: FakeMachine;
  beforeEach(() => {
    m = fakeMachine();
  });
  afterEach(() => m.remove());

  it('takes MYSQL_HOME before one on PATH', async () => {
    fakeMysqlHome(m, '.', '8.4.1');
    const home = fakeMysqlHome(m, 'own', '9.7.4-2');
    const part = await findMysql(m.options({ MYSQL_HOME: home }));
    assert.equal(part.mysqld, path.join(home, 'bin/mysqld'));
    assert.equal(part.mysqldump, path.join(home, 'bin/mysqldump'));
    assert.equal(part.pluginDir, path.join(home, 'plugin'));
    assert.deepEqual([part.home, part.version, part.source], [home, '9.7.4', 'explicit']);
  });

  it('refuses an unsuitable MYSQL_HOME although one on PATH would do', async () => {
    fakeMysqlHome(m, '.', '8.4.1');
    const cases: [string, RegExp][] = [
      [fakeMysqlHome(m, 'old', '8.0.45'), /8\.0\.45, older than 8\.4/],
      [fakeMysqlHome(m, 'maria', '11.8.3-MariaDB-0+deb13u1'), /is MariaDB/],
      [fakeMysqlHome(m, 'bare', '9.7.4', ['mysql_clone.so']), /no group_replication\.so in/],
      [path.join(m.root, 'nowhere'), /neither bin\/mysqld/],
    ];
    for (const [home, why] of cases) {
      await assert.rejects(
        findMysql(m.options({ MYSQL_HOME: home })),
        failing('MYSQL_UNSUITABLE', why, /unset/),
      );
    }
  });

  it('passes over unsuitable ones on PATH, saying why', async () => {
    fakeMysqlHome(m, 'old', '8.0.45');
    m.program(
      'lonely/mysqld',
      fakeMysqld('8.4.3', path.join(fakeMysqlHome(m, 'plugins', '9.0.0'), 'plugin')),
    );
    const home = fakeMysqlHome(m, 'good', '8.4.9-1.fc43');
    const first = ['old/bin', 'lonely'].map((dir) => path.join(m.root, dir));
    const part = await findMysql(m.options({ PATH: [...first, path.join(home, 'bin')].join(':') }));
    // The lonely server finds clients on PATH, as a packaged one does.
    assert.deepEqual(
      [part.mysqld, part.version, part.source],
      [path.join(m.root, 'lonely/mysqld'), '8.4.3', 'path'],
    );
    assert.match(m.lines.join('\n'), /not using .*old\/bin\/mysqld: it is MySQL 8\.0\.45/);
    const without = findMysql(m.options({ PATH: path.join(m.root, 'lonely') }));
    await assert.rejects(without, failing('TOOL_MISSING', /without the client programs mysql, mysqldump/));
  });

  it('takes a complete one from the cache, without apt', async () => {
    const home = fakeMysqlHome(m, `cache/mysql-${PLATFORM_KEY}`, '9.7.4-2');
    writeFileSync(path.join(home, '.complete'), '');
    const part = await findMysql(m.options());
    assert.deepEqual([part.home, part.source], [home, 'cache']);
  });

  it('wants to fetch again what is incomplete or damaged', async () => {
    const home = fakeMysqlHome(m, `cache/mysql-${PLATFORM_KEY}`, '9.7.4-2');
    await assert.rejects(findMysql(m.options()), failing('TOOL_MISSING', /nothing complete in/));
    writeFileSync(path.join(home, '.complete'), '');
    m.program(`cache/mysql-${PLATFORM_KEY}/bin/mysqld`, 'exit 127');
    await assert.rejects(
      findMysql(m.options()),
      failing('TOOL_MISSING', /does not tell its version \(exit code 127\)/),
    );
    assert.ok(!existsSync(path.join(home, '.complete')));
  });

  it('names what to install where apt is missing', async () => {
    await assert.rejects(
      findMysql(m.options()),
      failing('TOOL_MISSING', /MySQL 8\.4 or newer/, /PATH: no mysqld/),
    );
    m.program('bin/brew', ':');
    await assert.rejects(findMysql(m.options()), failing('TOOL_MISSING', /brew install mysql/));
    m.program('bin/dnf', ':');
    await assert.rejects(findMysql(m.options()), failing('TOOL_MISSING', /dnf install mysql-server/));
  });
});

describe('fetch-mysql.sh', () => {
  let m: FakeMachine;
  beforeEach(function () {
    if (process.platform !== 'linux') this.skip();
    m = fakeMachine();
    m.program('bin/dpkg', 'echo amd64');
    m.program('bin/dpkg-deb', ':');
    m.program('bin/gpgv', ':');
    mkdirSync(m.cache);
    writeFileSync(path.join(m.root, 'keys.gpg'), '');
  });
  afterEach(() => m?.remove());
  const options = (env: Record<string, string> = {}) =>
    m.options({
      PATH: `${m.bin}:/usr/bin:/bin`,
      MYSQL_DEB_KEYRING: path.join(m.root, 'keys.gpg'),
      MYSQL_DEB_MIRROR: 'file:/nowhere/debian',
      ...env,
    });
  /** An apt-get whose `update` makes an index and whose `install` answers with `uris`. */
  const apt = (uris: string, update = 'touch "$(dirname "$2")/state/lists/x_InRelease"') =>
    m.program('bin/apt-get', `case "$*" in *update*) ${update} ;; *install*) echo "${uris}" ;; esac`);
  const left = () => readdirSync(m.cache).filter((name) => name.includes('.tmp.'));

  it('asks for the signing keys where they are missing', async () => {
    apt('');
    const found = findMysql(options({ MYSQL_DEB_KEYRING: path.join(m.root, 'none.gpg') }));
    await assert.rejects(found, failing('TOOL_MISSING', /apt-get install debian-archive-keyring/));
  });

  it('refuses an unsigned index', async () => {
    apt('', 'echo "E: The repository \'x\' is not signed." >&2; exit 100');
    await assert.rejects(findMysql(options()), failing('SIGNATURE_REFUSED', /not signed by a key/));
    assert.deepEqual(left(), []);
  });

  it('believes gpgv rather than a lax apt', async () => {
    apt('');
    m.program('bin/gpgv', 'echo BAD signature >&2; exit 1');
    await assert.rejects(findMysql(options()), failing('SIGNATURE_REFUSED', /does not verify/));
  });

  it('says that the network failed', async () => {
    apt('', 'echo "E: Failed to fetch http://a:b@x/InRelease" >&2; exit 100');
    await assert.rejects(findMysql(options()), (e) => {
      assert.ok(e instanceof PartsError && !e.message.includes('a:b@'), String(e));
      return failing('FETCH_FAILED', /could not be fetched/)(e);
    });
  });

  it('does not guess at an answer of apt that it cannot read', async () => {
    apt('some new format of apt');
    await assert.rejects(findMysql(options()), failing('FETCH_FAILED', /does not understand/));
    assert.deepEqual(left(), []);
  });

  it('ends at once and leaves nothing when it is interrupted', async () => {
    apt('', `echo >"${m.root}/started"; exec sleep 60`);
    const stop = new AbortController();
    const found = findMysql({ ...options(), signal: stop.signal });
    while (!existsSync(path.join(m.root, 'started'))) await new Promise((resolve) => setTimeout(resolve, 5));
    stop.abort();
    await assert.rejects(found, failing('ABORTED'));
    assert.deepEqual(left(), []);
  });
});
