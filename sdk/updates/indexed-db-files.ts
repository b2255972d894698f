import { SallyportError } from '../../core/errors/error.ts';
import {
  type Database,
  type KeyRange,
  type ObjectStore,
  openDatabase,
  requested,
  transacted,
} from './indexed-db.ts';
import type { FileWriter, UpdateFiles } from './update-files.ts';

/** A file is an id under its name, and pieces under [id, offset], so that renaming copies nothing. */
const stores = { names: 'names', pieces: 'pieces' };
/** A piece is a Blob, which browsers keep on disk; so a tab that is closed loses less than this of a download. */
const pieceBytes = 2 ** 20;

type Id = readonly number[];

/** In IndexedDB, in any browser and worker; the app is given Blobs, whose bytes stay on disk. */
export function indexedDbFiles(database = 'sallyport-updates'): UpdateFiles<Blob> {
  let opened: Promise<Database> | undefined;
  /** One transaction; when it resolves, what was written would survive a crash. */
  const using = async <T>(
    mode: 'readonly' | 'readwrite',
    body: (names: ObjectStore, pieces: ObjectStore) => Promise<T>,
  ): Promise<T> => {
    opened ??= openDatabase(database, Object.values(stores), () => {
      opened = undefined;
    });
    return transacted(await opened, Object.values(stores), mode, (store) =>
      body(store(stores.names), store(stores.pieces)),
    );
  };
  const idOf = async (names: ObjectStore, name: string): Promise<Id | undefined> =>
    requested<Id | undefined>(names.get(name));
  const removed = async (names: ObjectStore, pieces: ObjectStore, name: string): Promise<void> => {
    const id = await idOf(names, name);
    if (id !== undefined) await requested(pieces.delete(piecesOf(id)));
    await requested(names.delete(name));
  };
  const read = (name: string): Promise<Blob | undefined> =>
    using('readonly', async (names, pieces) => {
      const id = await idOf(names, name);
      const blob = id && new Blob(await requested<Blob[]>(pieces.getAll(piecesOf(id))));
      return blob && blob.size > 0 ? blob : undefined;
    });
  return {
    read,
    append: async (name) => {
      const [id, size] = await using('readwrite', async (names, pieces) => {
        const known = await idOf(names, name);
        if (known === undefined) {
          const made: Id = [...crypto.getRandomValues(new Uint32Array(4))];
          await requested(names.put(made, name));
          return [made, 0] as const;
        }
        const there = await requested<Blob[]>(pieces.getAll(piecesOf(known)));
        return [known, there.reduce((sum, piece) => sum + piece.size, 0)] as const;
      });
      return writer(size, (offset, piece) =>
        using('readwrite', async (_, pieces) => {
          await requested(pieces.add(piece, [id, offset]));
        }),
      );
    },
    rename: (from, to) =>
      using('readwrite', async (names, pieces) => {
        const id = await idOf(names, from);
        if (id === undefined) throw missing(from);
        await removed(names, pieces, to);
        await requested(names.put(id, to));
        await requested(names.delete(from));
      }),
    remove: (name) => using('readwrite', (names, pieces) => removed(names, pieces, name)),
    names: () => using('readonly', (names) => requested<string[]>(names.getAllKeys())),
    handOver: async (name) => {
      const blob = await read(name);
      if (blob === undefined) throw missing(name);
      return blob;
    },
  };
}

function writer(from: number, add: (offset: number, piece: Blob) => Promise<void>): FileWriter {
  let offset = from;
  // One for all pieces: what they are copied into is not garbage that nobody collects in time.
  const buffer = new Uint8Array(pieceBytes);
  let bytes = 0;
  const flush = async (): Promise<void> => {
    const piece = new Blob([buffer.subarray(0, bytes)]);
    try {
      if (piece.size > 0) await add(offset, piece);
    } catch (cause) {
      if (!(cause instanceof Error) || cause.name !== 'ConstraintError') throw cause;
      throw new SallyportError('CANCELLED', { message: 'another page writes this download', cause });
    }
    offset += piece.size;
    bytes = 0;
  };
  return {
    write: async (data) => {
      for (let at = 0; at < data.length; ) {
        const part = data.subarray(at, at + pieceBytes - bytes);
        buffer.set(part, bytes);
        bytes += part.length;
        at += part.length;
        if (bytes === pieceBytes) await flush();
      }
    },
    close: flush,
  };
}

/** Of all offsets: any array comes after any number. */
const piecesOf = (id: Id): KeyRange => IDBKeyRange.bound([id], [id, []]);

const missing = (name: string): SallyportError =>
  new SallyportError('NOT_FOUND', { message: `there is no file ${name}` });
