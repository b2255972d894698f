import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { PartsError } from './errors.ts';
import { type FakeMachine, fakeMachine } from './fake-programs.ts';
import { mysqlTemplate } from './template.ts';

const INITIALISE = `PATH=/usr/bin:/bin
for a; do case $a in --datadir=*) data=\${a#*=} ;; --log-error=*) log=\${a#*=} ;; esac; done
echo run >>"$RUNS"
mkdir -p "$data/mysql"; echo x >"$data/ibdata1"; echo x >"$data/auto.cnf"; echo x >"$data/private_key.pem"`;

describe('the database template', () => {
  let m: FakeMachine;
  beforeEach(() => {
    m = fakeMachine();
  });
  afterEach(() => m.remove());
  const options = () => m.options({ RUNS: path.join(m.root, 'runs') });
  const runs = () => readFileSync(path.join(m.root, 'runs'), 'utf8').split('\n').length - 1;

  it('is made once, for two callers at once and ever after, without identity and keys', async () => {
    const mysqld = m.program('mysqld', INITIALISE);
    const mysql = { mysqld, version: '9.7.4' };
    const [one, two] = await Promise.all([mysqlTemplate(mysql, options()), mysqlTemplate(mysql, options())]);
    assert.equal(one, two);
    assert.deepEqual(readdirSync(one).sort(), ['ibdata1', 'mysql']);
    assert.equal(await mysqlTemplate(mysql, options()), one);
    assert.equal(runs(), 1);
    assert.notEqual(await mysqlTemplate({ mysqld, version: '8.4.9' }, options()), one);
  });

  it('says what mysqld said, and leaves nothing', async () => {
    const mysqld = m.program('mysqld', `${INITIALISE}; echo "0 [ERROR] disk is full" >"$log"; exit 1`);
    await assert.rejects(mysqlTemplate({ mysqld, version: '9.7.4' }, options()), (e) => {
      assert.ok(e instanceof PartsError);
      assert.equal(e.code, 'TEMPLATE_FAILED');
      assert.match(e.message, /disk is full/);
      return true;
    });
    assert.ok(!readdirSync(m.cache).some((name) => !name.endsWith('.lock')));
  });

  it('is made anew after a start that was killed half-way', async () => {
    const mysqld = m.program('mysqld', INITIALISE);
    const dir = path.dirname(await mysqlTemplate({ mysqld, version: '9.7.4' }, options()));
    m.program(`cache/${path.basename(dir)}.tmp.dead/out/data/ibdata1`, '');
    rmSync(path.join(dir, '.complete'));
    await mysqlTemplate({ mysqld, version: '9.7.4' }, options());
    assert.equal(runs(), 2);
    assert.ok(!existsSync(`${dir}.tmp.dead`));
  });
});
