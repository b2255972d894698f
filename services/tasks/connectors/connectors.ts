import { readFile } from 'node:fs/promises';
import { SallyportError } from '#core/errors/error.ts';
import { Bound } from '#kernel/crypto/bound.ts';
import { Hosts } from '#kernel/ldap/hosts.ts';
import type { GrpcClientOptions } from '#kernel/rpc/grpc-client.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { OwnRows } from '../routine/own-rows.ts';
import { gatewayCalls } from './gateway.ts';
import { httpHook } from './http-hook.ts';
import { type LdapGroups, ldapGroups } from './ldap-group.ts';
import { mail } from './mail.ts';
import type { Target } from './targets.ts';
import { type Tier, tier } from './tier.ts';
import { openTierClients, type TierClients } from './tier-clients.ts';

/** All that tasks can do outside their journal. */
export interface Connectors {
  readonly ldap: LdapGroups;
  readonly hook: ReturnType<typeof httpHook>;
  readonly mail: ReturnType<typeof mail>;
  /** What only gateways reach. */
  readonly gateway: ReturnType<typeof gatewayCalls>;
  readonly tier: Tier;
  readonly clients: TierClients;
  readonly rows: OwnRows;
  close(): Promise<void>;
}

export interface ConnectorOptions {
  readonly targets: Readonly<Record<string, Target>>;
  /** The security tier. */
  readonly security: GrpcClientOptions;
  readonly rows: OwnRows;
  /** Gateways of a group, through the same sidecar as the security tier; default none. */
  readonly gatewaysOf?: (group: string) => readonly string[];
  readonly clock: Clock;
}

/** Effects of one target that may wait for their turn; more are tried again later. */
const maxWaiting = 1000;

/** Reads the targets' secrets. @throws CONFIG_INVALID */
export async function openConnectors({
  targets,
  security,
  rows,
  gatewaysOf = () => [],
  clock,
}: ConnectorOptions): Promise<Connectors> {
  const opened = new Map(
    await Promise.all(
      Object.entries(targets).map(async ([name, target]) => [name, await open(name, target)] as const),
    ),
  );
  const find = <K extends Target['kind']>(
    name: string,
    kind: K,
  ): Opened & { readonly target: Extract<Target, { kind: K }> } => {
    const found = opened.get(name);
    if (found === undefined || found.target.kind !== kind) {
      throw new SallyportError('TARGET_UNKNOWN', {
        message: `no target of kind ${kind} is called "${name}"`,
      });
    }
    return found as Opened & { readonly target: Extract<Target, { kind: K }> };
  };
  const ldap = ldapGroups(new Hosts(clock), (name) => {
    const { target, ca = '', secret = '', run } = find(name, 'ldap');
    const { urls, startTls, timeoutMs, bindDn: dn, memberAttribute } = target;
    return {
      hosts: { urls, startTls, timeoutMs, caPem: ca },
      account: { dn, password: secret },
      memberAttribute,
      run,
    };
  });
  const hook = httpHook((name) => {
    const { target, ca, secret: token, run } = find(name, 'http');
    return { ...target, ca, token, run };
  });
  const post = mail((name) => {
    const { target, ca, secret: password, run } = find(name, 'mail');
    return { ...target, user: target.user, ca, password, run };
  });
  const gateway = gatewayCalls({ out: security, gatewaysOf });
  const clients = openTierClients(security);
  const close = async (): Promise<void> => {
    clients.close();
    await Promise.all([hook.close(), post.close(), gateway.close()]);
  };
  return { ldap, hook, mail: post, gateway, tier: tier(clients), clients, rows, close };
}

interface Opened {
  readonly target: Target;
  readonly ca: string | undefined;
  readonly secret: string | undefined;
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

async function open(name: string, target: Target): Promise<Opened> {
  const read = async (file: string | undefined): Promise<string | undefined> => {
    try {
      return file === undefined ? undefined : (await readFile(file, 'utf8')).trim();
    } catch (cause) {
      throw new SallyportError('CONFIG_INVALID', {
        message: `targets.${name}: ${file} cannot be read`,
        cause,
      });
    }
  };
  if (target.kind === 'http' && target.url.startsWith('http:') && !isLoopback(new URL(target.url).hostname)) {
    throw new SallyportError('CONFIG_INVALID', {
      message: `targets.${name}: ${target.url} is not encrypted, and not this machine`,
    });
  }
  const secret = await read(target.kind === 'http' ? target.tokenFile : target.passwordFile);
  const bound = new Bound({ inside: target.parallel, waiting: maxWaiting, what: `effects at ${name}` });
  return { target, ca: await read(target.caFile), secret, run: (work, signal) => bound.run(work, signal) };
}

const isLoopback = (host: string): boolean => /^(localhost|127\.[\d.]+|\[?::1\]?)$/.test(host);
