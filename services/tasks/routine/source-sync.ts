import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import { SyncState } from '#gen/sallyport/directory/v1/sources_pb.js';
import type { Connectors } from '../connectors/connectors.ts';
import type { TaskDefinition } from '../engine/definition.ts';
import { readInput } from './input.ts';

/** What it is begun with. */
export const sourceSyncInput = z.strictObject({ source: z.string().min(1).max(64) });

/** Milliseconds between two looks at how far it is: the first, doubled each time, and the longest. */
const firstLookMs = 500;
const longestLookMs = 30_000;
/** Looks until it is given up: four hours. */
const maxLooks = 500;

type Told = {
  readonly state: SyncState;
  readonly reason: string;
  readonly message: string;
  readonly changed: number;
};

/** Brings users in step with a directory, as `users sync` does, and waits for the end: whoever dies meanwhile. */
export const sourceSync = (connectors: () => Connectors): TaskDefinition => ({
  kind: 'source-sync',
  version: 1,
  summary: 'bring users in step with a directory',
  run: async (context, given) => {
    const { source } = readInput(sourceSyncInput, given);
    const { sources } = connectors().clients;
    // The token is the request key: however often it is asked for, it is one synchronisation.
    const id = await context.step('order', async ({ token, signal }) =>
      sources.startSync({ requestKey: token, source }, { signal }).then((order) => order.id),
    );
    for (let n = 1; n <= maxLooks; n++) {
      const told = await context.step<Told>(`look ${n}`, async ({ signal }) => {
        const { run } = await sources.getSync({ id }, { signal });
        const { state = SyncState.UNSPECIFIED, errorReason = '', errorMessage = '' } = run ?? {};
        const { adds = 0, changes = 0, disables = 0, removes = 0 } = run ?? {};
        return {
          state,
          reason: errorReason,
          message: errorMessage,
          changed: adds + changes + disables + removes,
        };
      });
      switch (told.state) {
        case SyncState.DONE:
          return { id, changed: told.changed };
        case SyncState.HELD:
          throw new SallyportError('SOURCE_REFUSED', {
            message: `${source} would lose too many users, and asks: synchronisation ${id}`,
            hint: '`sallyport users sync` shows them, and takes a yes',
          });
        case SyncState.FAILED:
        case SyncState.CANCELLED:
          throw new SallyportError('SOURCE_REFUSED', {
            message: `${source}: ${told.reason} ${told.message}`,
          });
        default:
          await context.sleep(`pause ${n}`, Math.min(firstLookMs * 2 ** (n - 1), longestLookMs));
      }
    }
    throw new SallyportError('DEADLINE', { message: `synchronisation ${id} has not ended` });
  },
});
