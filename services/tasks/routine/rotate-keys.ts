import { timestampMs } from '@bufbuild/protobuf/wkt';
import { z } from 'zod';
import type { SharedKeyInfo } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import type { Connectors } from '../connectors/connectors.ts';
import type { TaskDefinition } from '../engine/definition.ts';
import { readInput } from './input.ts';

/** What it is begun with. */
export const rotateKeysInput = z.strictObject({
  /** A shared key is used for so long: an enrolment is at its second one after that, and so on. */
  keptDays: z.int().min(1).max(3650).default(365),
  /** Also re-wrap what rests in the database under the provider's newest root key. */
  rootKey: z.boolean().default(true),
});

const dayMs = 86_400_000;
const pageSize = 200;

type Page = { readonly due: number; readonly next: string };

/**
 * Has devices agree new shared keys when they next open a session, page by page: a run that is killed goes on with the
 * page that it was at. A key that was asked for twice is changed once.
 */
export const rotateKeys = (connectors: () => Connectors): TaskDefinition => ({
  kind: 'rotate-keys',
  version: 1,
  summary: 'rotate shared keys of old enrolments, and the root key',
  run: async (context, given) => {
    const { keptDays, rootKey } = readInput(rotateKeysInput, given ?? {});
    const { keys } = connectors().clients;
    if (rootKey) {
      await context.step('root key', async ({ signal }) => {
        await keys.rotateRootKey({}, { signal });
        return null;
      });
    }
    const nowMs = await context.step('time', async () => Date.now());
    const isOld = ({ createdAt, keyVersion, revokedAt }: SharedKeyInfo): boolean => {
      if (createdAt === undefined || revokedAt !== undefined) return false;
      return keyVersion <= (nowMs - timestampMs(createdAt)) / (keptDays * dayMs);
    };
    let due = 0;
    let pageToken = '';
    for (let n = 1; ; n++) {
      const from = pageToken;
      const page = await context.step<Page>(`page ${n}`, async ({ signal }) => {
        const { keys: all, nextPageToken } = await keys.listSharedKeys(
          { pageSize, pageToken: from },
          { signal },
        );
        const old = all.filter(isOld);
        // Some may wait for their devices already: those that whoever died here has asked.
        for (const { routeKey, rotationPending } of old) {
          if (!rotationPending) await keys.rotateSharedKey({ routeKey }, { signal });
        }
        return { due: old.length, next: nextPageToken };
      });
      due += page.due;
      if (page.next === '') return { due };
      pageToken = page.next;
    }
  },
});
