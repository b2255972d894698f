import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { secretsDir } from '#compose/topology/paths.ts';
import { replaceFile } from '#kernel/config/state-file.ts';
import { hashPassword } from '#kernel/crypto/password.ts';

/** Files of secrets of one mesh: made once, readable by their owner only, never in an argument or a log. */
export interface Secrets {
  /** JSON: passwords of the database accounts. */
  readonly database: string;
  /** The root key, base64. */
  readonly rootKey: string;
  /** Passwords of single accounts, one line each, for the pods that use them. */
  readonly appPassword: string;
  readonly migratePassword: string;
  /** The password of the demo's user. */
  readonly demoPassword: string;
  /** What an empty database begins with: the demo's user (hashed) and policy. */
  readonly seed: string;
  /** Name of the replication group. */
  readonly groupName: string;
}

const accounts = ['root', 'recovery', 'app', 'migrate', 'agent'] as const;

export interface DemoUser {
  readonly name: string;
  readonly displayName: string;
  readonly groups: readonly string[];
}

export async function ensureSecrets(
  stateDir: string,
  demo: { readonly user: DemoUser; readonly policy: unknown },
): Promise<Secrets> {
  const dir = secretsDir({ stateDir });
  const file = (name: string): string => join(dir, name);
  const once = (name: string, make: () => string): string => {
    const path = file(name);
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) return path;
    // Whole or not at all: who is killed here, or finds the disk full, must not leave half a key for good.
    replaceFile(path, make(), { flush: true });
    return path;
  };
  const password = (): string => randomBytes(24).toString('base64url');
  const database = once('database.json', () =>
    JSON.stringify(Object.fromEntries(accounts.map((account) => [account, password()]))),
  );
  const passwords = JSON.parse(readFileSync(database, 'utf8')) as Record<(typeof accounts)[number], string>;
  const demoPassword = once('demo-password', () => `${randomBytes(9).toString('base64url')}\n`);
  if (statSync(file('seed.json'), { throwIfNoEntry: false }) === undefined) {
    const passwordHash = await hashPassword(readFileSync(demoPassword, 'utf8').trim());
    const users = [{ ...demo.user, passwordHash }];
    once('seed.json', () => JSON.stringify({ users, policy: demo.policy }));
  }
  return {
    database,
    rootKey: once('root.key', () => `${randomBytes(32).toString('base64')}\n`),
    appPassword: once('db-app-password', () => `${passwords.app}\n`),
    migratePassword: once('db-migrate-password', () => `${passwords.migrate}\n`),
    demoPassword,
    seed: file('seed.json'),
    groupName: readFileSync(
      once('group-name', () => `${randomUUID()}\n`),
      'utf8',
    ).trim(),
  };
}
