/** Goes on with the uploads of a spool, and is killed by SIGKILL while it sends the second piece. */
import { documents } from '#services/db-agent/backup/documents.ts';
import { readKeyFile } from '#services/db-agent/backup/seal.ts';
import { resumeSpooled } from '#services/db-agent/backup/snapshot.ts';
import { openStore } from '#services/db-agent/backup/store.ts';

const { keyFile, spoolDir, ...options } = JSON.parse(process.argv[2] ?? '');
const opened = await openStore(options);
let sent = 0;
const store: typeof opened = {
  ...opened,
  put: async (name, bytes) => {
    sent += 1;
    const sending = opened.put(name, bytes);
    // Some of it is on its way.
    if (sent === 2) setTimeout(() => process.kill(process.pid, 'SIGKILL'), 3);
    await sending;
    // Had it been quicker than that, nothing would come after it.
    if (sent === 2) await new Promise(() => {});
  },
};
const key = await readKeyFile(keyFile);
await resumeSpooled({
  ...{ store, documents: documents(store, key), spoolDir },
  signal: new AbortController().signal,
});
