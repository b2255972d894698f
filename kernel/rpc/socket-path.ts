import { rm } from 'node:fs/promises';
import { SallyportError } from '#core/errors/error.ts';

/** Bytes that `sockaddr_un.sun_path` holds on the strictest systems (104 on macOS), and some to spare. */
const longest = 100;

/**
 * Makes way for a server at this Unix socket: a process that was killed leaves its socket behind, and
 * nobody else has business in a pod's own folder.
 * @throws SallyportError CONFIG_INVALID when the path is too long to be bound
 */
export async function clearSocket(path: string): Promise<void> {
  if (Buffer.byteLength(path) >= longest) {
    throw new SallyportError('CONFIG_INVALID', {
      message: `the path of the Unix socket ${path} must be shorter than ${longest} bytes`,
      hint: 'choose a shorter run folder, for example by TMPDIR',
    });
  }
  await rm(path, { force: true });
}
