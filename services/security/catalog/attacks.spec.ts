import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { pinnedDelivery } from '#sdk/test/pinned-delivery.ts';
import { folderFiles } from '#sdk/updates/folder-files.ts';
import { nodeUpdates } from '#sdk/updates/node.ts';
import { app, attacked, attacks } from './attacks.contract.ts';

describe('updates that somebody tampers with', () => {
  let dir: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sp-updates-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  for (const name of Object.keys(attacks)) {
    it(name, () =>
      attacked(name, {
        at: (version, client, pinned) => {
          const updates = nodeUpdates(pinnedDelivery({ ...app, version }, pinned), { dir }, client);
          return {
            check: () => updates.check(),
            download: async (update) => readFile(await updates.download(update)),
          };
        },
        names: () => folderFiles(dir).names(),
        forget: () => rm(join(dir, 'metadata'), { recursive: true }),
        underWay: 0,
      }),
    );
  }
});
