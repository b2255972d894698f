import { readFile, stat } from 'node:fs/promises';
import { S3mini } from 's3mini';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import { type BackupStore, type StoreOptions, targetError } from './store.ts';

const credentials = z.object({ accessKeyId: z.string().min(1), secretAccessKey: z.string().min(1) });

/** Milliseconds for one request; a piece has 4 MiB, a stretch of the log 16. */
const requestMs = 120_000;

/**
 * A bucket of S3, or of whatever speaks its protocol: `s3://bucket/prefix?endpoint=https://host&region=name`.
 * @throws INVALID_FIELD, BACKUP_TARGET
 */
export async function s3Store({ target, credentialsFile }: StoreOptions): Promise<BackupStore> {
  const url = new URL(target);
  const endpoint = url.searchParams.get('endpoint');
  if (endpoint === null || credentialsFile === undefined) {
    throw new SallyportError('INVALID_FIELD', {
      message: `${target} lacks ${endpoint === null ? 'its endpoint' : 'credentials'}`,
      hint: 's3://BUCKET/PREFIX?endpoint=https://HOST, and --credentials FILE with {"accessKeyId","secretAccessKey"}',
    });
  }
  const { accessKeyId, secretAccessKey } = await readCredentials(credentialsFile);
  const s3 = new S3mini({
    ...{ accessKeyId, secretAccessKey, requestAbortTimeout: requestMs },
    endpoint: `${endpoint.replace(/\/$/, '')}/${url.hostname}`,
    region: url.searchParams.get('region') ?? 'us-east-1',
  });
  const prefix = url.pathname.replace(/^\/|\/$/g, '');
  const keyOf = (name: string): string => (prefix === '' ? name : `${prefix}/${name}`);
  const asked = async <T>(what: string, run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw targetError(`cannot ${what} in the bucket ${url.hostname}`, error);
    }
  };
  return {
    put: (name, bytes) =>
      asked(`write ${name}`, async () => {
        await s3.putObject(keyOf(name), bytes);
      }),
    get: (name) =>
      asked(`read ${name}`, async () => {
        const found = await s3.getObjectArrayBuffer(keyOf(name));
        return found === null ? undefined : Buffer.from(found);
      }),
    list: (folder) =>
      asked(`list ${folder}`, async () => {
        // Its first argument is a path, and no delimiter is sent: all below is listed.
        const found = await s3.listObjects('/', `${keyOf(folder)}/`);
        const start = keyOf('').length;
        return (found ?? []).map(({ Key }) => Key.slice(start)).sort();
      }),
    remove: (name) =>
      asked(`remove ${name}`, async () => {
        await s3.deleteObject(keyOf(name));
      }),
    close: () => Promise.resolve(),
  };
}

async function readCredentials(file: string): Promise<z.infer<typeof credentials>> {
  const wrong = (what: string, hint: string): SallyportError =>
    new SallyportError('INVALID_FIELD', { message: `${file} ${what}`, hint });
  if (((await stat(file)).mode & 0o077) !== 0) throw wrong('can be read by others', `chmod 600 ${file}`);
  try {
    return credentials.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    // What it holds is a secret, so no parser's words.
    throw wrong('holds no credentials', 'write {"accessKeyId": "…", "secretAccessKey": "…"}');
  }
}
