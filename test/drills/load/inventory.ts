import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { askSecurity } from '#services/cli/operator.ts';
import type { LoadContext } from './context.ts';
import type { DrillHistory } from './recording.ts';

/** For one page, which may wait for a database primary. */
const pageMs = 60_000;
const pageSize = 1000;
/** Pages after which a list is held to have no end. */
const maxPages = 1000;

/** Records which enrolments and sessions of the demo's user there are, as an operator lists them. */
export async function recordInventory({ mesh }: LoadContext, history: DrillHistory): Promise<void> {
  const { user } = mesh.demo;
  const record = async (of: 'keys' | 'sessions', list: () => Promise<string[]>): Promise<void> => {
    const operation = history.invoke({ kind: 'inventory', client: 'operator', of, user });
    history.complete(operation, { outcome: 'ok', ids: await list() });
  };
  await record('keys', () =>
    askSecurity(mesh, KeyStore, (keyStore) =>
      allPages(async (pageToken) => {
        const page = await keyStore.listSharedKeys({ user, pageSize, pageToken }, { timeoutMs: pageMs });
        return { ids: page.keys.map(({ routeKey }) => routeKey), next: page.nextPageToken };
      }),
    ),
  );
  await record('sessions', () =>
    askSecurity(mesh, SessionService, (sessions) =>
      allPages(async (pageToken) => {
        const page = await sessions.listSessions({ user, pageSize, pageToken }, { timeoutMs: pageMs });
        return { ids: page.sessions.map(({ handle }) => handle), next: page.nextPageToken };
      }),
    ),
  );
}

async function allPages(
  read: (pageToken: string) => Promise<{ readonly ids: readonly string[]; readonly next: string }>,
): Promise<string[]> {
  const all: string[] = [];
  let token = '';
  for (let page = 0; page < maxPages; page++) {
    const { ids, next } = await read(token);
    all.push(...ids);
    if (next === '') return all;
    token = next;
  }
  throw new Error(`a list has more than ${maxPages} pages`);
}
