import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstOnPath, isExecutable } from '#compose/parts/executables.ts';
import type { Env, PartsOptions } from '#compose/parts/options.ts';
import { run } from '#compose/parts/run.ts';
import { wheelTool } from './wheel-tool.ts';

/** A C compiler that takes gcc's options. */
export interface CCompiler {
  readonly file: string;
  /** To be put before all others. */
  readonly args: readonly string[];
  readonly env: Env;
}

const probe = '#include <stdio.h>\nint main(void) { puts("works"); return 0; }\n';

/**
 * One of PATH that has the C library's headers too, or the one that comes with Zig, from its wheel in the
 * Python package index.
 * @throws PartsError when it cannot be had
 */
export async function findCCompiler(o: PartsOptions): Promise<CCompiler> {
  for (const name of ['cc', 'gcc', 'clang']) {
    const file = await firstOnPath([name], o.env);
    if (file === undefined) continue;
    const compiler = { file, args: [], env: o.env };
    if (await compiles(compiler, o)) return compiler;
    o.progress(`not using ${file}: it cannot compile a small program (are the C library's headers there?)`);
  }
  const inFolder = (dir: string): CCompiler => ({
    file: join(dir, 'ziglang', 'zig'),
    args: ['cc'],
    env: { ...o.env, ZIG_GLOBAL_CACHE_DIR: join(dir, 'cache'), ZIG_LOCAL_CACHE_DIR: join(dir, 'cache') },
  });
  const dir = await wheelTool(
    {
      what: 'Zig with its C compiler',
      name: 'ziglang',
      version: '0.17.1',
      hashes: [
        'ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54', // manylinux_2_12_x86_64
        'b7c5f02fccd40f89b999ee16a1f5ddced56e6182370f8affe494bcf8a28cf07e', // manylinux_2_17_aarch64
        '09953b6af7f64168b915180a42774f520f92d86ef6331b28e33915c7e1f0bb23', // macosx_13_0_arm64
      ],
      megabytes: 101,
      platforms: 'Linux (x86_64, aarch64) and macOS on arm64',
      instead: 'install a C compiler ("apt-get install gcc libc6-dev")',
      works: async (folder) => (await isExecutable(inFolder(folder).file)) && compiles(inFolder(folder), o),
      place: async (unpacked, out) => {
        await rename(join(unpacked, 'ziglang'), join(out, 'ziglang'));
        await chmod(join(out, 'ziglang', 'zig'), 0o755);
      },
    },
    o,
  );
  return inFolder(dir);
}

/** Runs the compiler in a folder of its own; what it wrote there is gone afterwards. */
async function compiles({ file, args, env }: CCompiler, { signal }: PartsOptions): Promise<boolean> {
  const dir = await mkdtemp(join(tmpdir(), 'sp-cc-'));
  try {
    await writeFile(join(dir, 'probe.c'), probe);
    const out = join(dir, 'probe');
    // Zig makes its C library first.
    const made = await run(file, [...args, '-o', out, join(dir, 'probe.c')], {
      env,
      timeoutMs: 300_000,
      signal,
    });
    if (!made.ok) return false;
    return (await run(out, [], { env, timeoutMs: 30_000, signal })).stdout === 'works\n';
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
