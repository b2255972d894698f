/**
 * The contract of connectors: their worker is killed between the effect and its journal entry, at each effect, and what
 * real receivers have got is counted.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { Directory } from '#gen/sallyport/directory/v1/directory_pb.js';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { companyLdif, groupDn, userDn } from '../directory/company.ts';
import { type SlapdServer, startSlapd } from '../directory/slapd.ts';
import { as } from '../security-bench.ts';
import { podAt, type SecurityPods, securityPods } from '../security-pods.ts';
import type { ConnectorWorker } from '../tasks/connector-worker.ts';
import {
  type HookReceiver,
  hookReceiver,
  type MailReceiver,
  mailReceiver,
  messageIdOf,
} from '../tasks/receivers.ts';
import { TaskStand } from '../tasks/stand.ts';

describe('connectors whose workers are killed between effect and journal', function () {
  this.timeout(180_000);
  let stand: TaskStand;
  let tier: SecurityPods;
  let slapd: SlapdServer;
  let restart: NodeJS.Timeout;
  let knowing: HookReceiver;
  let forgetful: HookReceiver;
  let post: MailReceiver;
  const audit = (): string => readFileSync(join(stand.group.dir, 'audit.ldif'), 'utf8');

  before(async () => {
    stand = await TaskStand.start(1);
    const { group } = stand;
    [knowing, forgetful, post, slapd] = await Promise.all([
      hookReceiver(true),
      hookReceiver(false),
      mailReceiver(),
      startSlapd({
        ldif: companyLdif({ users: 20, groups: 2, membersPerGroup: 5 }),
        modules: ['auditlog'],
        database: ['overlay auditlog', `auditlog ${join(group.dir, 'audit.ldif')}`],
      }),
    ]);
    tier = await securityPods(group, { names: ['sec-0'], users: [], policy: { resources: [] } });
    await podAt(tier, 0).start();
    const secret = (name: string, text: string): string => {
      const file = join(group.dir, name);
      writeFileSync(file, text, { mode: 0o600 });
      return file;
    };
    const mailServer = { kind: 'mail', host: '127.0.0.1', port: post.port, from: 'sallyport@example.org' };
    const settings: ConnectorWorker = {
      name: 'worker-0',
      socketPath: group.rwSocket,
      password: group.passwords.app,
      dir: group.dir,
      securitySocket: podAt(tier, 0).connectSocket,
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
          kind: 'http',
          url: knowing.url,
          deduplicates: true,
          tokenFile: secret('hook.token', 'a token'),
        },
        forgetful: { kind: 'http', url: forgetful.url, deduplicates: false, timeoutMs: 1000 },
        mail: mailServer,
        'mail-once': { ...mailServer, again: false },
      },
    };
    stand.startWorker('worker-0', 'connector-worker.ts', [secret('worker.json', JSON.stringify(settings))]);
    restart = setInterval(() => stand.restartDead(), 50);
  });

  after(async () => {
    clearInterval(restart);
    await tier?.close();
    await Promise.all([slapd?.close(), knowing?.close(), forgetful?.close(), post?.close()]);
    await stand?.close();
  });

  const member = (group: number, user: number) => ({
    ...{ target: 'directory', groupDn: groupDn(group), memberDn: userDn(user) },
  });
  const isMember = async (group: number, user: number): Promise<boolean> => {
    const client = await slapd.client();
    try {
      const { searchEntries } = await client.search(groupDn(group), {
        scope: 'base',
        attributes: ['member'],
      });
      return [searchEntries[0]?.member].flat().map(String).includes(userDn(user));
    } finally {
      await client.unbind();
    }
  };

  it('put a user into a group of a directory, and out of it, once', async () => {
    // Group 1 has users 5 to 9.
    const into = await stand.submit('group', { ...member(1, 15), member: true });
    const out = await stand.submit('group', { ...member(1, 6), member: false });
    const there = await stand.submit('group-then-no', { ...member(1, 7), member: true });
    const back = await stand.submit('group-then-no', { ...member(1, 16), member: true });
    await Promise.all([stand.until(into, 'done'), stand.until(out, 'done')]);
    for (const id of [there, back])
      assert.equal((await stand.until(id, 'failed')).error?.reason, 'POLICY_DENIED');
    assert.deepEqual(
      await Promise.all([15, 6, 7, 16].map((user) => isMember(1, user))),
      // What was there before is not taken back.
      [true, false, true, false],
    );
    const changed = audit();
    for (const [user, times] of [
      [15, 1],
      [6, 1],
      [7, 0],
      [16, 2],
    ] as const) {
      assert.equal(changed.split(`member: ${userDn(user)}\n`).length - 1, times, `changes of user ${user}`);
    }
  });

  it('wait for a directory that is away, and say what one refuses', async () => {
    await slapd.stop('SIGKILL');
    const waits = await stand.submit('group', { ...member(0, 15), member: true });
    const never = await stand.submit('group', { ...member(0, 15), target: 'another', member: true });
    assert.equal((await stand.until(never, 'failed')).error?.reason, 'TARGET_UNKNOWN');
    await slapd.start();
    await stand.until(waits, 'done');
    const refused = await stand.submit('group', {
      ...member(0, 15),
      groupDn: 'cn=none,dc=example,dc=org',
      member: true,
    });
    assert.equal((await stand.until(refused, 'failed')).error?.reason, 'SOURCE_REFUSED');
  });

  it('call a hook that knows keys again, once', async () => {
    const id = await stand.submit('hook', { target: 'knowing', body: { order: 'a chair' } });
    assert.deepEqual((await stand.until(id, 'done')).result, { status: 201, body: { number: 1 } });
    assert.deepEqual(knowing.effects, [{ order: 'a chair' }]);
    assert.equal(knowing.keys.length, 2);
    assert.equal(new Set(knowing.keys).size, 1);
    knowing.next.push(503, 500);
    const later = await stand.submit('hook', { target: 'knowing', body: { order: 'a table' } });
    await stand.until(later, 'done');
    assert.equal(knowing.effects.length, 2);
    knowing.next.push(422);
    const refused = await stand.submit('hook', { target: 'knowing', body: null });
    assert.equal((await stand.until(refused, 'failed')).error?.reason, 'TARGET_REFUSED');
  });

  it('call a hook that does not at most once, and say when nobody knows', async () => {
    const id = await stand.submit('hook', { target: 'forgetful', body: 'killed' });
    assert.equal((await stand.until(id, 'failed')).error?.reason, 'EFFECT_UNKNOWN');
    assert.deepEqual(forgetful.effects, ['killed']);
    forgetful.next.push(0);
    const unanswered = await stand.submit('hook', { target: 'forgetful', body: 'no answer' });
    assert.equal((await stand.until(unanswered, 'failed')).error?.reason, 'EFFECT_UNKNOWN');
    assert.equal(forgetful.keys.length, 2);
    // What certainly was not done is tried again; that its worker dies afterwards is another matter.
    forgetful.next.push(429, 503);
    const later = await stand.submit('hook', { target: 'forgetful', body: 'later' });
    assert.equal((await stand.until(later, 'failed')).error?.reason, 'EFFECT_UNKNOWN');
    assert.deepEqual(forgetful.effects, ['killed', 'later']);
  });

  it('send mail, once for each mailbox that goes by Message-IDs', async () => {
    const letter = {
      to: ['ada@example.org', 'bob@example.org'],
      subject: 'Grüße\r\nBcc: eve@example.org',
      text: 'Hello',
    };
    const id = await stand.submit('mail', { ...letter, target: 'mail' });
    assert.deepEqual((await stand.until(id, 'done')).result, { rejected: [] });
    assert.equal(post.messages.length, 2);
    assert.equal(new Set(post.messages.map(messageIdOf)).size, 1);
    assert.match(messageIdOf(post.messages[0] ?? ''), /^<[\w-]{22}@example\.org>$/);
    assert.doesNotMatch(post.messages[0] ?? '', /^Bcc/im);
    const once = await stand.submit('mail', { ...letter, target: 'mail-once' });
    assert.equal((await stand.until(once, 'failed')).error?.reason, 'EFFECT_UNKNOWN');
    assert.equal(post.messages.length, 3);
    post.next.push(451);
    const greylisted = await stand.submit('mail', { ...letter, target: 'mail' });
    await stand.until(greylisted, 'done');
    assert.equal(new Set(post.messages.map(messageIdOf)).size, 3);
    post.next.push(554);
    const refused = await stand.submit('mail', { ...letter, target: 'mail' });
    assert.equal((await stand.until(refused, 'failed')).error?.reason, 'TARGET_REFUSED');
  });

  it('make and change users of the security tier once', async () => {
    const id = await stand.submit('account', { name: 'grace', displayName: 'Grace', groups: ['staff'] });
    const { position, ended } = (await stand.until(id, 'done')).result as { position: number; ended: number };
    const directory = createGrpcClient(Directory, {
      address: `unix:${podAt(tier, 0).connectSocket}`,
      defaultDeadlineMs: 30_000,
      metadata: as('operator', 'test'),
    });
    try {
      const { user } = await directory.getUser({ name: 'grace' });
      assert.deepEqual(user?.groups, ['more', 'staff']);
    } finally {
      directory.close();
    }
    // The change is one entry of the feed, however often it was asked for; ending sessions twice ends them.
    assert.equal(ended, position + 2);
  });
});
