import { type Argon2Parameters, argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { SallyportError } from '#core/errors/error.ts';
import { Bound } from './bound.ts';

const hash = promisify(argon2);

/** OWASP's second choice for Argon2id: 19 MiB, two passes, one lane; 34 ms of one core here. */
const memoryKib = 19_456;
const passes = 2;
const tagBytes = 32;

/**
 * Node hashes on its own pool of threads, off the event loop that authorises. Three at a time leave a
 * thread for files and DNS; who waits behind 200 others would wait for seconds and is told so instead.
 */
const bounds = {
  known: new Bound({ inside: 2, waiting: 200, what: 'passwords' }),
  anybody: new Bound({ inside: 1, waiting: 100, what: 'passwords' }),
};

/**
 * Who shows a password: a device that has proven its key, or anybody at all. Each has places of its own, so
 * that strangers who try passwords keep no device waiting.
 */
export type PasswordFrom = keyof typeof bounds;

/** An Argon2id hash as a PHC string: `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`. @throws OVERLOADED */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const digest = await derive(password, { salt, memoryKib, passes, lanes: 1, tagBytes }, 'known');
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=1$${unpadded(salt)}$${unpadded(digest)}`;
}

/**
 * @throws OVERLOADED, CANCELLED (the signal came before its turn), CONFIG_INVALID (not an Argon2id hash
 *   of at most 1 GiB and 16 passes)
 */
export async function verifyPassword(
  phc: string,
  password: string,
  signal?: AbortSignal,
  from: PasswordFrom = 'anybody',
): Promise<boolean> {
  const { salt, digest, ...parameters } = parse(phc);
  const again = await derive(password, { salt, ...parameters, tagBytes: digest.length }, from, signal);
  return timingSafeEqual(again, digest);
}

interface Parameters {
  readonly salt: Buffer;
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
  readonly tagBytes: number;
}

function derive(password: string, p: Parameters, from: PasswordFrom, signal?: AbortSignal): Promise<Buffer> {
  const parameters: Argon2Parameters = {
    // NFKC: the same password typed on another keyboard is the same password.
    message: Buffer.from(password.normalize('NFKC')),
    nonce: p.salt,
    parallelism: p.lanes,
    tagLength: p.tagBytes,
    memory: p.memoryKib,
    passes: p.passes,
  };
  return bounds[from].run(() => hash('argon2id', parameters), signal);
}

function parse(phc: string) {
  const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(phc);
  const [m = 0, t = 0, p = 0] = (match ?? []).slice(1, 4).map(Number);
  const salt = Buffer.from(match?.[4] ?? '', 'base64');
  const digest = Buffer.from(match?.[5] ?? '', 'base64');
  if (salt.length < 8 || digest.length < 16 || m > 1_048_576 || t < 1 || t > 16 || p < 1 || p > 16) {
    throw new SallyportError('CONFIG_INVALID', {
      message: 'a stored password hash is not Argon2id in PHC form',
    });
  }
  return { salt, digest, memoryKib: m, passes: t, lanes: p };
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
