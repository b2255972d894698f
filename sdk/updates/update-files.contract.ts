import { SallyportError } from '../../core/errors/error.ts';
import { bytesOf, replaceFile, type UpdateFiles } from './update-files.ts';

const bytes = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => (at * 7 + seed) % 251);

function same(found: unknown, wanted: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${a?.slice(0, 200)} instead of ${b?.slice(0, 200)}`);
}

async function append(files: UpdateFiles<unknown>, name: string, ...parts: readonly Uint8Array[]) {
  const out = await files.append(name);
  for (const part of parts) await out.write(part);
  await out.close();
}

async function holds(files: UpdateFiles<unknown>, name: string, wanted: readonly Uint8Array[]) {
  const blob = await files.read(name);
  if (blob === undefined) throw new Error(`there is no ${name}`);
  const all = new Uint8Array(await new Blob(wanted.map((part) => new Uint8Array(part))).arrayBuffer());
  const found = await bytesOf(blob);
  same(found.length, all.length);
  same(
    found.findIndex((byte, at) => byte !== all[at]),
    -1,
  );
}

async function notFound(what: Promise<unknown>): Promise<void> {
  const reason = await what.then(
    () => 'nothing',
    (error: unknown) => SallyportError.from(error).reason,
  );
  same(reason, 'NOT_FOUND');
}

/** What every keeper of update files does; each is given empty files. It runs in browsers, too. */
export const updateFilesContract: Readonly<Record<string, (files: UpdateFiles<unknown>) => Promise<void>>> = {
  'has nothing at first': async (files) => {
    same(await files.names(), []);
    same(await files.read('a.part'), undefined);
    await files.remove('a.part');
    await notFound(files.rename('a.part', 'a'));
    await notFound(files.handOver('a'));
  },
  'writes on behind what is there, and nothing is there without a byte': async (files) => {
    const parts = [bytes(100_000, 1), bytes(3_000_000, 2), bytes(1, 3), bytes(5, 4)] as const;
    await append(files, 'a.part');
    same(await files.read('a.part'), undefined);
    await append(files, 'a.part', parts[0], parts[1]);
    await append(files, 'a.part');
    await append(files, 'a.part', parts[2]);
    await append(files, 'a.part', parts[3]);
    await holds(files, 'a.part', parts);
    const blob = await files.read('a.part');
    same(
      [...(await bytesOf(blob?.slice(99_998, 100_001) ?? new Blob([])))],
      [...bytes(100_000, 1).slice(99_998), ...bytes(1, 2)],
    );
  },
  'keeps what was written before the caller went on with its own buffer': async (files) => {
    const buffer = bytes(10, 1);
    const out = await files.append('a');
    await out.write(buffer);
    buffer.fill(0);
    await out.close();
    await holds(files, 'a', [bytes(10, 1)]);
  },
  'renames over what was there': async (files) => {
    await append(files, 'a.part', bytes(2_000_000, 1));
    await append(files, 'a', bytes(10, 2));
    await files.rename('a.part', 'a');
    await holds(files, 'a', [bytes(2_000_000, 1)]);
    same(await files.names(), ['a']);
    if ((await files.handOver('a')) === undefined) throw new Error('nothing was handed over');
  },
  'replaces a file whole, or leaves it': async (files) => {
    const put = (data: Uint8Array) => replaceFile(files, 'metadata/root.json', (out) => out.write(data));
    await put(bytes(10, 1));
    await put(bytes(5, 2));
    await holds(files, 'metadata/root.json', [bytes(5, 2)]);
    const cut = replaceFile(files, 'metadata/root.json', async (out) => {
      await out.write(bytes(10, 3));
      throw new SallyportError('NOT_FOUND');
    });
    await notFound(cut);
    await holds(files, 'metadata/root.json', [bytes(5, 2)]);
    await put(bytes(7, 4));
    await holds(files, 'metadata/root.json', [bytes(7, 4)]);
    same(await files.names(), ['metadata/root.json']);
  },
  'begins anew after removal': async (files) => {
    await append(files, 'a', bytes(100, 1));
    await files.remove('a');
    await append(files, 'a', bytes(3, 2));
    await holds(files, 'a', [bytes(3, 2)]);
  },
};
