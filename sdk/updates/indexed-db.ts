/** As much of IndexedDB as is used here, with promises; the tree is checked without the types of browsers. */
export interface ObjectStore {
  get(key: string): Request<unknown>;
  getAll(range: KeyRange): Request<unknown>;
  getAllKeys(): Request<unknown>;
  put(value: unknown, key: unknown): Request<unknown>;
  /** @throws ConstraintError, through the request, when the key is there */
  add(value: unknown, key: unknown): Request<unknown>;
  delete(key: string | KeyRange): Request<unknown>;
}

export interface Database {
  transaction(
    stores: readonly string[],
    mode: string,
    options: { readonly durability: 'strict' },
  ): Transaction;
  createObjectStore(name: string): ObjectStore;
  close(): void;
  onversionchange: (() => void) | null;
  onclose: (() => void) | null;
}

export interface KeyRange {
  readonly lower: unknown;
  readonly upper: unknown;
}

interface Request<T> {
  readonly result: T;
  readonly error: Error | null;
  onsuccess: (() => void) | null;
  onerror: (() => void) | null;
}

interface Transaction {
  readonly error: Error | null;
  objectStore(name: string): ObjectStore;
  abort(): void;
  oncomplete: (() => void) | null;
  onabort: (() => void) | null;
}

interface OpenRequest extends Request<Database> {
  onupgradeneeded: (() => void) | null;
}

declare global {
  var indexedDB: { open(name: string, version: number): OpenRequest };
  var IDBKeyRange: { bound(lower: unknown, upper: unknown): KeyRange };
}

/** `gone` is told when it can no longer be used: it was closed, to be deleted or by the browser. */
export async function openDatabase(
  name: string,
  stores: readonly string[],
  gone: () => void,
): Promise<Database> {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    for (const store of stores) request.result.createObjectStore(store);
  };
  const database = await requested<Database>(request).catch((error: unknown) => {
    gone();
    throw error;
  });
  database.onclose = gone;
  database.onversionchange = () => {
    database.close();
    gone();
  };
  return database;
}

/**
 * Resolves when the transaction is on disk. It ends by itself when no request is open: `body` awaits nothing else.
 * What `body` throws takes back what it did.
 */
export async function transacted<T>(
  database: Database,
  stores: readonly string[],
  mode: 'readonly' | 'readwrite',
  body: (store: (name: string) => ObjectStore) => Promise<T>,
): Promise<T> {
  const transaction = database.transaction(stores, mode, { durability: 'strict' });
  const done = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('the transaction was aborted'));
  });
  try {
    const value = await body((name) => transaction.objectStore(name));
    await done;
    return value;
  } catch (error) {
    try {
      transaction.abort();
    } catch {
      // A request that failed has aborted it.
    }
    await done.catch(() => undefined);
    throw error;
  }
}

export function requested<T>(request: Request<unknown>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result as T);
    request.onerror = () => reject(request.error);
  });
}
