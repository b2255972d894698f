import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { SallyportError } from '#core/errors/error.ts';
import type { ErrorReason } from '#core/errors/registry.ts';
import { encodeBase64url } from '#core/ids/base64url.ts';
import type { DeliveryClient } from '#sdk/updates/delivery-client.ts';
import type { Checked, Update } from '#sdk/updates/updates.ts';
import { app, type TestDevice } from '#services/security/catalog/attacks.contract.ts';

interface OfApp {
  /** Name of the device's files. */
  readonly database: string;
  readonly app: typeof app & { readonly version: string };
  /** base64url. */
  readonly pinned: string;
}

/** What the page is to do. */
export type Task =
  | { readonly what: 'contract'; readonly database: string; readonly name: string }
  | { readonly what: 'names'; readonly database: string }
  | { readonly what: 'forget'; readonly database: string }
  | ({ readonly what: 'check' } & OfApp)
  | ({ readonly what: 'download'; readonly update: Update } & OfApp)
  | ({ readonly what: 'size'; readonly update: Update } & OfApp);

/** What came of it. */
export interface Told {
  readonly value?: unknown;
  readonly error?: { readonly reason: ErrorReason; readonly message: string };
}

/** What the page asks the catalogue meanwhile. */
export type Asked =
  | { readonly call: 'check' }
  | { readonly call: 'metadata'; readonly role: string; readonly version: number }
  | { readonly call: 'read'; readonly sha256: string; readonly offset: number };

export interface ServedDevice {
  readonly url: string;
  /** A device that has nothing yet. */
  device(): TestDevice & {
    /** Downloads to the end, as `at(...).download`; gives how many bytes there are. */
    size(version: string, client: DeliveryClient, pinned: Uint8Array, update: Update): Promise<number>;
    /** One clause of the contract of update files. */
    contract(name: string): Promise<void>;
  };
  close(): Promise<void>;
}

const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>device</title></head><body>
<script type="module" src="/device.js"></script></body></html>`;

/** Serves the page that is `script`; what its devices do, they do in the browser that opens it. */
export async function servedDevice(script: string): Promise<ServedDevice> {
  const tasks: { readonly task: Task; readonly settle: (told: Told) => void }[] = [];
  let wake = (): void => undefined;
  let underWay: ((told: Told) => void) | undefined;
  let catalogue: DeliveryClient | undefined;
  let devices = 0;

  const next = async (told: Told): Promise<Task> => {
    underWay?.(told);
    underWay = undefined;
    while (tasks.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    const [first] = tasks.splice(0, 1);
    underWay = first?.settle;
    return first?.task as Task;
  };
  const asked = async (what: Asked, response: ServerResponse): Promise<unknown> => {
    if (catalogue === undefined) throw new Error('there is no catalogue');
    if (what.call === 'check') return catalogue.check('stable');
    if (what.call === 'metadata') {
      const found = await catalogue.metadata(what.role, what.version);
      return Object.fromEntries(
        Object.entries(found).map(([name, value]) => [name, encodeBase64url(value as Uint8Array)]),
      );
    }
    const take = (data: Uint8Array): Promise<void> =>
      new Promise((resolve, reject) => {
        if (response.destroyed) reject(new Error('the page takes no more'));
        else response.write(data, (error) => (error ? reject(error) : resolve()));
      });
    await catalogue.read(Buffer.from(what.sha256, 'base64url'), what.offset, take);
    return undefined;
  };
  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const say = (type: string, body: string): void => {
      response.setHeader('content-type', type);
      response.end(body);
    };
    if (incoming.url === '/') return say('text/html', html);
    if (incoming.url === '/device.js') return say('text/javascript', script);
    const body = await json(incoming);
    const value = incoming.url === '/task' ? await next(body as Told) : await asked(body as Asked, response);
    if (response.headersSent) response.end();
    else say('application/json', JSON.stringify(value ?? null));
  };
  const server = createServer((incoming, response) => {
    answer(incoming, response).catch((thrown: unknown) => {
      const { reason, message } = SallyportError.from(thrown);
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end(JSON.stringify({ reason, message }));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });

  const done = async <T>(task: Task): Promise<T> => {
    const { value, error } = await new Promise<Told>((settle) => {
      tasks.push({ task, settle });
      wake();
    });
    if (error !== undefined) throw new SallyportError(error.reason, { message: error.message });
    return value as T;
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    device: () => {
      const database = `device-${devices++}`;
      const of = (version: string, client: DeliveryClient, pinned: Uint8Array): OfApp => {
        catalogue = client;
        return { database, app: { ...app, version }, pinned: encodeBase64url(pinned) };
      };
      return {
        at: (...installed) => ({
          check: () => done<Checked>({ what: 'check', ...of(...installed) }),
          download: async (update) =>
            Buffer.from(await done<string>({ what: 'download', update, ...of(...installed) }), 'base64url'),
        }),
        size: (version, client, pinned, update) =>
          done<number>({ what: 'size', update, ...of(version, client, pinned) }),
        contract: (name) => done({ what: 'contract', database, name }),
        names: () => done<string[]>({ what: 'names', database }),
        forget: () => done({ what: 'forget', database }),
        underWay: 16 * 2 ** 20,
      };
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
