import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';

/** What a TLS endpoint reads, all PEM. */
export interface TlsFiles {
  /** `tls.crt` */
  readonly cert: string;
  /** `tls.key`, mode 0600 */
  readonly key: string;
  /** `ca.crt`: one or several roots that peers are checked against. */
  readonly ca?: string | undefined;
}

const keptVersions = 3;
const versionName = /^v\d{6,}$/;

/**
 * Writes `files` as a new version below `dir` and swaps the symlink `dir/current` to it by one rename:
 * a reader sees certificate and key of the same version, always. Sidecars see it once envoy/write has run again.
 * The last three versions are kept, for readers that are just opening an older one.
 * At most three writers at a time.
 * @returns the version's name.
 */
export async function writeTls(dir: string, files: TlsFiles): Promise<string> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const version = await newVersionFolder(dir);
  await writeDurably(join(dir, version, 'tls.key'), files.key, 0o600);
  await writeDurably(join(dir, version, 'tls.crt'), files.cert, 0o644);
  if (files.ca !== undefined) await writeDurably(join(dir, version, 'ca.crt'), files.ca, 0o644);
  const link = join(dir, `.current-${randomBytes(4).toString('hex')}`);
  await symlink(version, link);
  await rename(link, join(dir, 'current'));
  await prune(dir);
  return version;
}

/** The current files, or undefined when there are none (or not all of them). */
export async function readTls(dir: string): Promise<TlsFiles | undefined> {
  const current = join(dir, 'current');
  const [cert, key, ca] = await Promise.all([
    readIfThere(join(current, 'tls.crt')),
    readIfThere(join(current, 'tls.key')),
    readIfThere(join(current, 'ca.crt')),
  ]);
  return cert === undefined || key === undefined ? undefined : { cert, key, ca };
}

/** Writes a file and has it on disk before it returns. */
export async function writeDurably(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, 'w', mode);
  try {
    await file.chmod(mode);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A file's text, or undefined when there is no such file. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

async function versions(dir: string): Promise<string[]> {
  return (await readdir(dir)).filter((name) => versionName.test(name)).sort();
}

async function newVersionFolder(dir: string): Promise<string> {
  for (;;) {
    const last = (await versions(dir)).at(-1);
    const version = `v${String(last === undefined ? 1 : Number(last.slice(1)) + 1).padStart(6, '0')}`;
    try {
      await mkdir(join(dir, version), { mode: 0o700 });
      return version;
    } catch (error) {
      // Another writer took this number; the next look sees it.
      if (!isErrno(error, 'EEXIST')) throw error;
    }
  }
}

async function prune(dir: string): Promise<void> {
  const current = await readlink(join(dir, 'current'));
  const old = (await versions(dir)).slice(0, -keptVersions).filter((name) => name !== current);
  await Promise.all(old.map((name) => rm(join(dir, name), { recursive: true, force: true })));
}
