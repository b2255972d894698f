import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { PartsOptions } from './options.ts';

/** A temporary folder with pretended programs, for specs: `bin` is meant to be on PATH, `cache` is a cache folder. */
export interface FakeMachine {
  readonly root: string;
  readonly bin: string;
  readonly cache: string;
  readonly lines: string[];
  /** Writes an executable shell script; the answer is its path. `place` is relative to the folder. */
  program(place: string, script: string): string;
  /** Options with PATH = `bin`, this cache folder, and `lines` as progress. */
  options(env?: Readonly<Record<string, string>>): PartsOptions;
  remove(): void;
}

export function fakeMachine(): FakeMachine {
  const root = mkdtempSync(path.join(tmpdir(), 'sallyport-parts-'));
  const bin = path.join(root, 'bin');
  const cache = path.join(root, 'cache');
  const lines: string[] = [];
  mkdirSync(bin);
  return {
    root,
    bin,
    cache,
    lines,
    program(place, script) {
      const file = path.join(root, place);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, `#!/bin/sh\n${script}\n`);
      chmodSync(file, 0o755);
      return file;
    },
    options: (env = {}) => ({
      env: { PATH: bin, HOME: root, ...env },
      cacheDir: cache,
      progress: (line) => lines.push(line),
    }),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

export const fakeEnvoy = (version: string) =>
  `echo "envoy  version: 0a1b/${version}/Clean/RELEASE/BoringSSL"`;

/** `told` is what stands after "Ver"; `plugins` is the folder it names, if any. */
export const fakeMysqld = (told: string, plugins?: string) => `case "$*" in
  *--help*) ${plugins === undefined ? ':' : `echo "plugin-dir    ${plugins}/"`} ;;
  *) echo "mysqld  Ver ${told} for Linux on x86_64 (fake)" ;;
esac`;

/** A whole MySQL below `place` with these plugins (default: the two that are needed). */
export function fakeMysqlHome(
  m: FakeMachine,
  place: string,
  told: string,
  plugins = ['group_replication.so', 'mysql_clone.so'],
): string {
  const pluginDir = path.join(m.root, place, 'plugin');
  mkdirSync(pluginDir, { recursive: true });
  for (const name of plugins) writeFileSync(path.join(pluginDir, name), '');
  for (const client of ['mysql', 'mysqldump', 'mysqlbinlog', 'mysqladmin'])
    m.program(`${place}/bin/${client}`, ':');
  m.program(`${place}/bin/mysqld`, fakeMysqld(told, pluginDir));
  return path.join(m.root, place);
}
