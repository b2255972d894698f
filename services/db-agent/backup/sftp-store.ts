import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { connect as tcp } from 'node:net';
import { posix } from 'node:path';
import Client from 'ssh2-sftp-client';
import { SallyportError } from '#core/errors/error.ts';
import { type BackupStore, type StoreOptions, targetError } from './store.ts';

const unfinished = '.part';
/** Milliseconds to connect, and without an answer of the server's until the connection is given up. */
const connectMs = 10_000;
const keepaliveMs = 5000;

/**
 * A folder of a server that is reached by SSH: `sftp://user@host:port/path`. The server is known by its key's
 * fingerprint, as `ssh-keygen -lf` shows it. Connects when it is used, and again after it was cut off.
 * @throws INVALID_FIELD, BACKUP_TARGET
 */
export async function sftpStore({ target, credentialsFile, hostKey }: StoreOptions): Promise<BackupStore> {
  const url = new URL(target);
  if (credentialsFile === undefined || url.username === '') {
    throw new SallyportError('INVALID_FIELD', {
      message: `${target} lacks ${url.username === '' ? 'a user' : 'a private key'}`,
      hint: 'sftp://USER@HOST/PATH, and --credentials FILE with the private key',
    });
  }
  if (((await stat(credentialsFile)).mode & 0o077) !== 0) {
    throw new SallyportError('INVALID_FIELD', {
      message: `${credentialsFile} can be read by others`,
      hint: `chmod 600 ${credentialsFile}`,
    });
  }
  const privateKey = await readFile(credentialsFile);
  const root = decodeURIComponent(url.pathname);
  const path = (name: string): string => posix.join(root, name);
  const made = new Set<string>();
  let open: Promise<Client> | undefined;

  const connect = async (): Promise<Client> => {
    let shown = '';
    const forget = (): void => {
      open = undefined;
    };
    // Without these it writes to the console. Whatever is under way fails by itself.
    const client = new Client('sallyport', { error: forget, end: forget, close: forget });
    // SFTP asks and waits: Nagle's algorithm, which ssh2 leaves on, holds each question back for 40 ms.
    const sock = tcp({ host: url.hostname, port: Number(url.port || 22), noDelay: true });
    try {
      await client.connect({
        ...{ sock, username: decodeURIComponent(url.username) },
        ...{ privateKey, readyTimeout: connectMs, keepaliveInterval: keepaliveMs, keepaliveCountMax: 3 },
        hostVerifier: (key: Buffer) => {
          shown = `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
          return shown === hostKey;
        },
      });
    } catch (error) {
      sock.destroy();
      if (shown !== '' && shown !== hostKey) {
        throw new SallyportError('BACKUP_TARGET', {
          message: `the key of ${url.hostname} is ${shown}${hostKey === undefined ? '' : `, not ${hostKey}`}`,
          hint: 'if that is its key, say it with --host-key',
        });
      }
      throw error;
    }
    return client;
  };
  const asked = async <T>(what: string, run: (client: Client) => Promise<T>): Promise<T> => {
    try {
      open ??= connect();
      return await run(await open);
    } catch (error) {
      // The next call begins with a new connection; what failed is repeated by whoever wanted it.
      const client = await open?.catch(() => undefined);
      open = undefined;
      await client?.end().catch(() => undefined);
      if (error instanceof SallyportError) throw error;
      throw targetError(`cannot ${what} at ${url.host}`, error);
    }
  };
  return {
    put: (name, bytes) =>
      asked(`write ${path(name)}`, async (client) => {
        const folder = posix.dirname(path(name));
        if (!made.has(folder)) await client.mkdir(folder, true);
        made.add(folder);
        const temporary = `${path(name)}${unfinished}`;
        await client.put(Buffer.from(bytes), temporary);
        // OpenSSH's rename replaces; the standard one does not.
        await client.posixRename(temporary, path(name));
      }),
    get: (name) =>
      asked(`read ${path(name)}`, async (client) => {
        if ((await client.exists(path(name))) === false) return undefined;
        const found = await client.get(path(name));
        // For an empty file it gives an empty list.
        return Buffer.isBuffer(found) ? found : Buffer.alloc(0);
      }),
    list: (folder) =>
      asked(`list ${path(folder)}`, async (client) => {
        const walk = async (at: string): Promise<string[]> => {
          const found = await client.list(path(at));
          const below = found.map(({ name, type }) =>
            type === 'd' ? walk(`${at}/${name}`) : name.endsWith(unfinished) ? [] : [`${at}/${name}`],
          );
          return (await Promise.all(below)).flat();
        };
        if ((await client.exists(path(folder))) === false) return [];
        return (await walk(folder)).sort();
      }),
    remove: (name) =>
      asked(`remove ${path(name)}`, async (client) => {
        await client.delete(path(name), true);
      }),
    close: async () => {
      const client = await open?.catch(() => undefined);
      open = undefined;
      await client?.end();
    },
  };
}
