/** What tasks that ship act on, all of it real: a security pod, an OpenLDAP, hooks and a mail server, which count. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openTierClients, type TierClients } from '#services/tasks/connectors/tier-clients.ts';
import type { Json } from '#services/tasks/engine/json.ts';
import { companyLdif, groupDn, userDn } from '../directory/company.ts';
import { type SlapdServer, startSlapd } from '../directory/slapd.ts';
import { as } from '../security-bench.ts';
import { podAt, type SecurityPods, securityPods } from '../security-pods.ts';
import type { ConnectorWorker } from './connector-worker.ts';
import { type HookReceiver, hookReceiver, type MailReceiver, mailReceiver } from './receivers.ts';
import { TaskStand } from './stand.ts';

export interface WorkStandOptions {
  /** Names of steps after whose effect the worker dies. */
  readonly diesAfter: RegExp;
  /** Once for each task, or only once for each name. Default `task`. */
  readonly oncePer?: ConnectorWorker['oncePer'];
  readonly users?: Parameters<typeof securityPods>[1]['users'];
}

export class WorkStand {
  readonly tasks: TaskStand;
  readonly tier: SecurityPods;
  readonly slapd: SlapdServer;
  readonly knowing: HookReceiver;
  readonly forgetful: HookReceiver;
  readonly post: MailReceiver;
  /** In the name of an operator. */
  readonly clients: TierClients;
  readonly auditFile: string;
  readonly #restart: NodeJS.Timeout;

  private constructor(
    parts: Pick<WorkStand, 'tasks' | 'tier' | 'slapd' | 'knowing' | 'forgetful' | 'post' | 'auditFile'>,
  ) {
    this.tasks = parts.tasks;
    this.tier = parts.tier;
    this.slapd = parts.slapd;
    this.knowing = parts.knowing;
    this.forgetful = parts.forgetful;
    this.post = parts.post;
    this.auditFile = parts.auditFile;
    this.clients = openTierClients({
      address: `unix:${this.securitySocket}`,
      defaultDeadlineMs: 30_000,
      metadata: as('operator', 'test'),
    });
    this.#restart = setInterval(() => this.tasks.restartDead(), 50);
  }

  get securitySocket(): string {
    return podAt(this.tier, 0).connectSocket;
  }

  static async start({ diesAfter, oncePer = 'task', users = [] }: WorkStandOptions): Promise<WorkStand> {
    const tasks = await TaskStand.start(1);
    const { group } = tasks;
    const auditFile = join(group.dir, 'audit.ldif');
    const [knowing, forgetful, post, slapd, tier] = await Promise.all([
      hookReceiver(true),
      hookReceiver(false),
      mailReceiver(),
      startSlapd({
        ldif: companyLdif({ users: 20, groups: 2, membersPerGroup: 5 }),
        modules: ['auditlog'],
        database: ['overlay auditlog', `auditlog ${auditFile}`],
      }),
      securityPods(group, { names: ['sec-0'], users, policy: { resources: [] } }),
    ]);
    await podAt(tier, 0).start();
    const secret = (name: string, text: string): string => {
      const file = join(group.dir, name);
      writeFileSync(file, text, { mode: 0o600 });
      return file;
    };
    const mailServer = { kind: 'mail', host: '127.0.0.1', port: post.port, from: 'sallyport@example.org' };
    const stand = new WorkStand({ tasks, tier, slapd, knowing, forgetful, post, auditFile });
    const settings: ConnectorWorker = {
      name: 'worker-0',
      socketPath: group.rwSocket,
      password: group.passwords.app,
      dir: group.dir,
      diesAfter: diesAfter.source,
      oncePer,
      securitySocket: stand.securitySocket,
      targets: {
        directory: {
          kind: 'ldap',
          // The first one is dead.
          urls: ['ldaps://127.0.0.1:1', slapd.ldaps],
          bindDn: slapd.admin.dn,
          passwordFile: secret('directory.password', slapd.admin.password),
          caFile: secret('directory.pem', slapd.caPem),
        },
        knowing: {
          ...{ kind: 'http', url: knowing.url, deduplicates: true },
          tokenFile: secret('hook.token', 'a token'),
        },
        forgetful: { kind: 'http', url: forgetful.url, deduplicates: false, timeoutMs: 1000 },
        mail: mailServer,
        'mail-once': { ...mailServer, again: false },
      },
    };
    tasks.startWorker('worker-0', 'connector-worker.ts', [secret('worker.json', JSON.stringify(settings))]);
    return stand;
  }

  async close(): Promise<void> {
    clearInterval(this.#restart);
    this.clients.close();
    await this.tier.close();
    await Promise.all([this.slapd.close(), this.knowing.close(), this.forgetful.close(), this.post.close()]);
    await this.tasks.close();
  }

  /** As an input of a task: user n in group n of the directory. */
  member(group: number, user: number): { [field: string]: Json } {
    return { target: 'directory', groupDn: groupDn(group), memberDn: userDn(user) };
  }

  async isMember(group: number, user: number): Promise<boolean> {
    const client = await this.slapd.client();
    try {
      const { searchEntries } = await client.search(groupDn(group), {
        scope: 'base',
        attributes: ['member'],
      });
      return [searchEntries[0]?.member].flat().map(String).includes(userDn(user));
    } finally {
      await client.unbind();
    }
  }
}
