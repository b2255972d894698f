/**
 * The contract of connectors: their worker is killed between the effect and its journal entry, at each effect, and what
 * real receivers have got is counted.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { sql } from 'kysely';
import { after, before, describe, it } from 'mocha';
import { userDn } from '../directory/company.ts';
import { messageIdOf } from '../tasks/receivers.ts';
import type { TaskStand } from '../tasks/stand.ts';
import { WorkStand } from '../tasks/work-stand.ts';

describe('connectors whose workers are killed between effect and journal', function () {
  this.timeout(300_000);
  let work: WorkStand;
  let stand: TaskStand;
  const audit = (): string => readFileSync(work.auditFile, 'utf8');

  before(async () => {
    work = await WorkStand.start({ diesAfter: /^effect/ });
    stand = work.tasks;
  });

  after(() => work?.close());

  it('put a user into a group of a directory, and out of it, once', async () => {
    // Group 1 has users 5 to 9.
    const into = await stand.submit('group', { ...work.member(1, 15), member: true });
    const out = await stand.submit('group', { ...work.member(1, 6), member: false });
    const there = await stand.submit('group-then-no', { ...work.member(1, 7), member: true });
    const back = await stand.submit('group-then-no', { ...work.member(1, 16), member: true });
    await Promise.all([stand.until(into, 'done'), stand.until(out, 'done')]);
    for (const id of [there, back])
      assert.equal((await stand.until(id, 'failed')).error?.reason, 'POLICY_DENIED');
    assert.deepEqual(
      await Promise.all([15, 6, 7, 16].map((user) => work.isMember(1, user))),
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
    await work.slapd.stop('SIGKILL');
    const waits = await stand.submit('group', { ...work.member(0, 15), member: true, calm: true });
    const never = await stand.submit('group', { ...work.member(0, 15), target: 'another', member: true });
    assert.equal((await stand.until(never, 'failed')).error?.reason, 'TARGET_UNKNOWN');
    await work.slapd.start();
    await stand.until(waits, 'done');
    const refused = await stand.submit('group', {
      ...work.member(0, 15),
      groupDn: 'cn=none,dc=example,dc=org',
      member: true,
    });
    assert.equal((await stand.until(refused, 'failed')).error?.reason, 'SOURCE_REFUSED');
  });

  it('call a hook that knows keys again, once', async () => {
    const id = await stand.submit('hook', { target: 'knowing', body: { order: 'a chair' } });
    assert.deepEqual((await stand.until(id, 'done')).result, { status: 201, body: { number: 1 } });
    assert.deepEqual(work.knowing.effects, [{ order: 'a chair' }]);
    assert.equal(work.knowing.keys.length, 2);
    assert.equal(new Set(work.knowing.keys).size, 1);
    work.knowing.next.push(503, 500);
    const later = await stand.submit('hook', { target: 'knowing', body: { order: 'a table' }, calm: true });
    await stand.until(later, 'done');
    assert.equal(work.knowing.effects.length, 2);
    work.knowing.next.push(422);
    const refused = await stand.submit('hook', { target: 'knowing', body: null });
    assert.equal((await stand.until(refused, 'failed')).error?.reason, 'TARGET_REFUSED');
  });

  it('call a hook that does not at most once, and say when nobody knows', async () => {
    const id = await stand.submit('hook', { target: 'forgetful', body: 'killed' });
    assert.equal((await stand.until(id, 'failed')).error?.reason, 'EFFECT_UNKNOWN');
    assert.deepEqual(work.forgetful.effects, ['killed']);
    work.forgetful.next.push(0);
    const unanswered = await stand.submit('hook', { target: 'forgetful', body: 'no answer' });
    assert.equal((await stand.until(unanswered, 'failed')).error?.reason, 'EFFECT_UNKNOWN');
    assert.equal(work.forgetful.keys.length, 2);
    // What certainly was not done is tried again.
    work.forgetful.next.push(429, 503);
    const later = await stand.submit('hook', { target: 'forgetful', body: 'later', calm: true });
    assert.deepEqual((await stand.until(later, 'done')).result, { status: 201, body: { number: 2 } });
    assert.deepEqual(work.forgetful.effects, ['killed', 'later']);
  });

  it('send mail, once for each mailbox that goes by Message-IDs', async () => {
    const letter = {
      to: ['ada@example.org', 'bob@example.org'],
      subject: 'Grüße\r\nBcc: eve@example.org',
      text: 'Hello',
    };
    const id = await stand.submit('mail', { ...letter, target: 'mail' });
    assert.deepEqual((await stand.until(id, 'done')).result, { rejected: [] });
    assert.equal(work.post.messages.length, 2);
    assert.equal(new Set(work.post.messages.map(messageIdOf)).size, 1);
    assert.match(messageIdOf(work.post.messages[0] ?? ''), /^<[\w-]{22}@example\.org>$/);
    assert.doesNotMatch(work.post.messages[0] ?? '', /^Bcc/im);
    const once = await stand.submit('mail', { ...letter, target: 'mail-once' });
    assert.equal((await stand.until(once, 'failed')).error?.reason, 'EFFECT_UNKNOWN');
    assert.equal(work.post.messages.length, 3);
    work.post.next.push(451);
    const greylisted = await stand.submit('mail', { ...letter, target: 'mail', calm: true });
    await stand.until(greylisted, 'done');
    assert.equal(new Set(work.post.messages.map(messageIdOf)).size, 3);
    work.post.next.push(554);
    const refused = await stand.submit('mail', { ...letter, target: 'mail' });
    assert.equal((await stand.until(refused, 'failed')).error?.reason, 'TARGET_REFUSED');
  });

  it('make and change users of the security tier once', async () => {
    const id = await stand.submit('account', { name: 'grace', displayName: 'Grace', groups: ['staff'] });
    const { position, ended } = (await stand.until(id, 'done')).result as { position: number; ended: number };
    const { user } = await work.clients.directory.getUser({ name: 'grace' });
    assert.deepEqual(user?.groups, ['more', 'staff']);
    // The change is one entry of the feed, however often it was asked for; ending sessions again ends them.
    const { rows } = await stand.db.read((on) =>
      sql<{
        position: number;
        kind: string;
      }>`select position, kind from revocations where subject = 'grace'`.execute(on),
    );
    const positions = (kind: string) =>
      rows.filter((row) => row.kind === kind).map((row) => Number(row.position));
    assert.deepEqual(positions('groups'), [position]);
    assert.ok(positions('user').length >= 2 && positions('user').includes(ended));
  });
});
