/** A page in a browser that is a device as `served-device.ts` wants it: it asks what to do, and does it. */

import { SallyportError } from '#core/errors/error.ts';
import { decodeBase64url, encodeBase64url } from '#core/ids/base64url.ts';
import { pinnedDelivery } from '#sdk/test/pinned-delivery.ts';
import { browserUpdates } from '#sdk/updates/browser.ts';
import type { DeliveryClient } from '#sdk/updates/delivery-client.ts';
import { indexedDbFiles } from '#sdk/updates/indexed-db-files.ts';
import { updateFilesContract } from '#sdk/updates/update-files.contract.ts';
import type { Asked, Task, Told } from './served-device.ts';

const post = async (path: string, body: unknown): Promise<Response> => {
  const answer = await fetch(path, { method: 'POST', body: JSON.stringify(body) });
  if (answer.ok) return answer;
  const { reason, message } = (await answer.json()) as Required<Told>['error'];
  throw new SallyportError(reason, { message });
};
const ask = async <T>(asked: Asked): Promise<T> => (await post('/catalogue', asked)).json() as Promise<T>;
const bytes = (text: string): Uint8Array => decodeBase64url(text) ?? new Uint8Array();

const client: DeliveryClient = {
  check: () => ask({ call: 'check' }),
  metadata: async (role, version) => {
    const found = await ask<Record<'body' | 'identitySignature' | 'identityKey', string>>({
      ...{ call: 'metadata', role, version },
    });
    const { body, identitySignature, identityKey } = found;
    return {
      body: bytes(body),
      identitySignature: bytes(identitySignature),
      identityKey: bytes(identityKey),
    };
  },
  read: async (sha256, offset, take) => {
    const asked: Asked = { call: 'read', sha256: encodeBase64url(sha256), offset };
    const reader = (await post('/catalogue', asked)).body?.getReader();
    try {
      for (;;) {
        const { done, value } = (await reader?.read()) ?? { done: true };
        if (done) return;
        await take(value);
      }
    } finally {
      await reader?.cancel();
    }
  },
  report: () => Promise.reject(new Error('nothing is reported here')),
};

async function did(task: Task): Promise<unknown> {
  const { database } = task;
  const files = indexedDbFiles(database);
  if (task.what === 'contract') return updateFilesContract[task.name]?.(files);
  if (task.what === 'names') return files.names();
  if (task.what === 'forget') {
    for (const name of await files.names()) if (name.startsWith('metadata/')) await files.remove(name);
    return undefined;
  }
  const updates = browserUpdates(pinnedDelivery(task.app, bytes(task.pinned)), { database }, client);
  if (task.what === 'check') return updates.check();
  const file = await updates.download(task.update);
  return task.what === 'size' ? file.size : encodeBase64url(new Uint8Array(await file.arrayBuffer()));
}

async function told(task: Task): Promise<Told> {
  try {
    return { value: await did(task) };
  } catch (thrown) {
    const { reason, message, cause } = SallyportError.from(thrown);
    return { error: { reason, message: cause === undefined ? message : `${message} ${String(cause)}` } };
  }
}

let last: Told = {};
for (;;) {
  const task = (await (await post('/task', last)).json()) as Task;
  last = await told(task);
}
