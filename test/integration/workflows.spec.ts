/** Workflows and routine tasks that ship, on real receivers, with workers that die at what matters. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { sql } from 'kysely';
import { after, before, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { ScheduleService } from '#gen/sallyport/task/v1/schedule_pb.js';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { definitions } from '#services/tasks/definitions.ts';
import type { Json } from '#services/tasks/engine/json.ts';
import { readPiece } from '#services/tasks/routine/own-rows.ts';
import { askName } from '#services/tasks/store/ids.ts';
import { purgeTasks } from '#services/tasks/store/purge-tasks.ts';
import { announceKinds } from '#services/tasks/store/read-tasks.ts';
import type { TaskInfo } from '#services/tasks/store/task-store.ts';
import { put, settingsFor } from '../directory/sources.ts';
import { enrolPhone } from '../phone.ts';
import { as, failsAs } from '../security-bench.ts';
import { messageIdOf } from '../tasks/receivers.ts';
import type { TaskStand } from '../tasks/stand.ts';
import { WorkStand } from '../tasks/work-stand.ts';

/** Effects after which the worker is killed before it can journal them. */
const diesAfter =
  /^(account|directory 1|activation|grant group|take group|disable|cut sessions|password|order|page 1|root key)$/;
const password = 'a long password';

describe('workflows that ship, whose workers die', function () {
  this.timeout(300_000);
  let work: WorkStand;
  let stand: TaskStand;
  const mail = { target: 'mail', addresses: ['somebody@example.org'] };
  const begin = (kind: string, input: Json, submitter = 'operator/test'): Promise<string> =>
    stand.store.submit({ kind, version: 1, input, submitter, requestKey: randomUUID() }).then(({ id }) => id);
  /** Answers a work item, once it is there. */
  const answer = async (id: string, name: string, form: Json): Promise<void> => {
    const wait = askName(name);
    await waitFor(async () => (await stand.store.journalOf(id)).some((row) => row.name === wait), {
      timeoutMs: 120_000,
      what: `${id} to ask`,
    });
    await stand.store.message(id, wait, { by: 'person/otto', form });
  };
  /** As if the time for which a task sleeps had passed. */
  const passTime = async (id: string, sleep: string): Promise<void> => {
    await waitFor(async () => (await stand.store.journalOf(id)).some((row) => row.name === sleep), {
      timeoutMs: 120_000,
      what: `${id} to sleep`,
    });
    await stand.db.tx((trx) =>
      sql`update task_steps set due_ms = 1 where task_id = ${id} and name = ${sleep}`.execute(trx),
    );
    // It looks again when something has come.
    await stand.store.message(id, `after ${sleep}`, null);
  };
  const yes = { decision: 'DECISION_APPROVE', comment: '' };
  const no = { decision: 'DECISION_REJECT', comment: 'not this year' };
  const groupsOf = async (name: string) => (await work.clients.directory.getUser({ name })).user?.groups;
  const resultOf = async (id: string): Promise<Json | undefined> => (await stand.until(id, 'done')).result;
  const failure = (task: TaskInfo) => task.error?.reason;
  /** Mailboxes keep one of each Message-ID. */
  const kept = (subject: string): string[] => {
    const all = work.post.messages.filter((each) => each.includes(`Subject: ${subject}`));
    return [...new Map(all.map((each) => [messageIdOf(each), each])).values()];
  };

  before(async () => {
    work = await WorkStand.start({
      diesAfter,
      oncePer: 'name',
      users: ['erin', 'frank', 'judy', 'leo'].map((name) => ({ name, password, groups: ['staff', 'chess'] })),
    });
    stand = work.tasks;
  });

  after(() => work?.close());

  it('onboarding: approval, account, groups on several resources, keys, notification', async () => {
    const request = (user: string, member: Json): Json => ({
      ...{ user, displayName: 'New', groups: ['staff'], appId: 'com.example.app', mail },
      directoryGroups: [member],
    });
    const done = await begin('onboarding', request('nina', work.member(1, 15)));
    const refused = await begin('onboarding', request('ray', work.member(1, 16)));
    const undone = await begin('onboarding', {
      ...(request('uwe', work.member(1, 17)) as object),
      directoryGroups: [work.member(1, 17), { ...work.member(1, 17), groupDn: 'cn=none,dc=example,dc=org' }],
    });
    const invalid = await begin('onboarding', { user: 'vera', appId: 'com.example.app' });
    assert.equal(failure(await stand.until(invalid, 'failed')), 'INVALID_FIELD');
    await answer(refused, 'approval', no);
    await answer(done, 'approval', yes);
    await answer(undone, 'approval', yes);
    assert.deepEqual(await resultOf(refused), {
      outcome: 'refused',
      by: 'person/otto',
      comment: 'not this year',
    });
    assert.deepEqual(await resultOf(done), { outcome: 'done', by: 'person/otto' });
    assert.deepEqual(await groupsOf('nina'), ['staff']);
    assert.equal(await work.isMember(1, 15), true);
    // Sent again after the crash, with another code; each of them is good.
    assert.equal(kept('Activation of com.example.app').length, 1);
    // What a later step failed for is taken back.
    assert.equal(failure(await stand.until(undone, 'failed')), 'SOURCE_REFUSED');
    assert.equal(await work.isMember(1, 17), false);
    for (const name of ['uwe', 'ray']) {
      await assert.rejects(groupsOf(name), (error) => SallyportError.from(error).reason === 'NOT_FOUND');
    }
  });

  it('device enrolment: what a person asks for, the helpdesk allows', async () => {
    const request = { user: 'erin', appId: 'com.example.phone', reason: 'a new phone', mail };
    const id = await begin('device-enrolment', request, 'person/erin');
    const others = await begin('device-enrolment', request, 'person/frank');
    assert.equal(failure(await stand.until(others, 'failed')), 'CALLER_NOT_ALLOWED');
    await answer(id, 'approval', yes);
    assert.deepEqual(await resultOf(id), { outcome: 'done', by: 'person/otto' });
    const [letter = ''] = kept('Activation of com.example.phone');
    assert.match(letter, /activate com\.example\.phone/);
  });

  it('access: given for a time, certified anew, and taken away when it is over', async () => {
    const request = {
      user: 'frank',
      group: 'vault',
      reason: 'audit',
      mail,
      duration: '86400s',
      recertify: true,
    };
    const id = await begin(
      'access-request',
      { ...request, directoryGroups: [work.member(1, 18)] },
      'person/frank',
    );
    const cancelled = await begin('access-request', { ...request, group: 'gym' });
    assert.deepEqual(await resultOf(await begin('access-request', { ...request, group: 'chess' })), {
      outcome: 'had already',
    });
    await answer(cancelled, 'approval', yes);
    await answer(id, 'approval', yes);
    await passTime(id, 'time 1');
    await answer(id, 'still needed 1', yes);
    await passTime(id, 'time 2');
    await answer(id, 'still needed 2', no);
    assert.deepEqual(await resultOf(id), { outcome: 'over', by: 'person/otto', rounds: 2 });
    assert.equal(await work.isMember(1, 18), false);
    await waitFor(async () => (await groupsOf('frank'))?.includes('gym'), {
      timeoutMs: 120_000,
      what: 'the group',
    });
    await stand.store.cancel(cancelled);
    await stand.until(cancelled, 'cancelled');
    assert.deepEqual(await groupsOf('frank'), ['chess', 'staff']);
  });

  it('offboarding: sessions first, then the rest, and what could not be done is told', async () => {
    const phone = await enrolPhone(work.securitySocket, 'leo');
    const session = await phone.open(work.securitySocket, password);
    const id = await begin('offboarding', {
      ...{ user: 'leo', reason: 'leaves', mail },
      directoryGroups: [work.member(1, 5), { ...work.member(1, 6), groupDn: 'cn=none,dc=example,dc=org' }],
    });
    const result = (await resultOf(id)) as { outcome: string; devices: number; left: string[] };
    assert.deepEqual([result.outcome, result.devices, result.left.length], ['left over', 1, 1]);
    assert.match(result.left[0] ?? '', /cn=none/);
    const { user } = await work.clients.directory.getUser({ name: 'leo' });
    assert.deepEqual([user?.disabled, user?.groups], [true, []]);
    assert.equal(await work.isMember(1, 5), false);
    const { sessions } = work.clients;
    await assert.rejects(sessions.getSession({ sessionId: session.id }), failsAs('SESSION_REVOKED'));
    await assert.rejects(phone.open(work.securitySocket, password));
    const steps = (await stand.store.journalOf(id)).map(({ name }) => name);
    assert.deepEqual(steps.slice(0, 2), ['disable', 'cut sessions']);
    assert.match(kept('leo has left').join(), /Left to do/);
  });

  it('password reset: the helpdesk makes sure who it is; the newest mail counts', async () => {
    const id = await begin('password-reset', { user: 'judy', mail });
    const refused = await begin('password-reset', { user: 'erin', mail });
    await answer(refused, 'identity', { proof: 'IDENTITY_PROOF_REFUSED', note: 'unknown voice' });
    await answer(id, 'identity', { proof: 'IDENTITY_PROOF_CALLED_BACK', note: '' });
    assert.deepEqual(await resultOf(id), { outcome: 'done', by: 'person/otto', proof: 'CALLED_BACK' });
    assert.deepEqual(await resultOf(refused), {
      ...{ outcome: 'refused', by: 'person/otto', note: 'unknown voice' },
    });
    const letters = kept('Your new password');
    assert.equal(letters.length, 2);
    const [, newest = ''] = /is:\s+(\S{16})\s/.exec(letters.at(-1) ?? '') ?? [];
    const phone = await enrolPhone(work.securitySocket, 'judy');
    await phone.open(work.securitySocket, newest);
    await assert.rejects(phone.open(work.securitySocket, password), failsAs('CREDENTIALS_INVALID'));
    // It stands in no journal.
    assert.ok(!JSON.stringify(await stand.store.journalOf(id)).includes(newest));
  });

  it('routine: a directory is synchronised once, keys are rotated, a report goes on with its page', async () => {
    const { sources, keys } = work.clients;
    const settings = settingsFor(work.slapd, { syncEverySeconds: 0 });
    await put(sources, 'hq', settings, work.slapd.admin.password);
    const sync = await begin('source-sync', { source: 'hq' }, 'schedule/nightly');
    const result = (await resultOf(sync)) as { id: string; changed: number };
    assert.equal(result.changed, 20);
    assert.equal(
      failure(await stand.until(await begin('source-sync', { source: 'none' }), 'failed')),
      'NOT_FOUND',
    );
    const report = await begin('report', { of: 'users', mail: { target: 'mail', to: mail.addresses } });
    assert.deepEqual(await resultOf(report), { of: 'users', rows: 25 });
    const piece = await stand.db.read((on) => readPiece(on, report, 0));
    const lines = Buffer.from(piece?.data ?? [])
      .toString()
      .trim()
      .split('\r\n');
    assert.equal(lines.length, 26);
    assert.match(lines.join('\n'), /\nuser7,Person Number 7,group0 group1,,,hq,/);
    for (const [of, rows] of [
      ['devices', 2],
      ['enrolments', 2],
      ['sessions', 1],
    ] as const) {
      assert.deepEqual(await resultOf(await begin('report', { of })), { of, rows });
    }
    const printed = await begin('report', { of: 'devices', as: 'html' });
    assert.deepEqual(await resultOf(printed), { of: 'devices', rows: 2 });
    const page = await stand.db.read((on) => readPiece(on, printed, 0));
    assert.equal(page?.mediaType, 'text/html');
    const html = Buffer.from(page?.data ?? []).toString();
    assert.ok(html.startsWith('<!doctype html>') && html.endsWith('</table></body></html>\n'), html);
    assert.equal(html.split('<tr>').length, 4);
    await stand.db.tx((trx) =>
      sql`update shared_keys set created_ms = created_ms - ${400 * 86_400_000} where user = 'judy'`.execute(
        trx,
      ),
    );
    assert.deepEqual(await resultOf(await begin('rotate-keys', { keptDays: 365 })), { due: 1 });
    const { keys: all } = await keys.listSharedKeys({ user: 'judy' });
    assert.deepEqual(
      all.map(({ rotationPending }) => rotationPending),
      [true],
    );
    assert.deepEqual(await resultOf(await begin('rotate-keys', { keptDays: 365, rootKey: false })), {
      due: 1,
    });
    assert.equal(
      failure(await stand.until(await begin('rotate-keys', { keptDays: 0 }), 'failed')),
      'INVALID_FIELD',
    );
    // What was written goes with its task.
    await stand.db.tx((trx) => sql`update tasks set ended_ms = 1 where id = ${report}`.execute(trx));
    assert.equal(await stand.db.read((on) => purgeTasks(on, 86_400_000, 100)), 1);
    assert.equal(await stand.db.read((on) => readPiece(on, report, 0)), undefined);
  });

  it('schedules: put at a security pod, run, read as a report', async () => {
    const schedules = createGrpcClient(ScheduleService, {
      ...{ address: `unix:${work.securitySocket}`, defaultDeadlineMs: 30_000 },
      metadata: as('operator', 'test'),
    });
    try {
      const spec = {
        cron: '0 6 * * 1',
        timeZone: 'Europe/Berlin',
        kind: 'report',
        inputJson: '{"of":"users"}',
      };
      const request = { requestKey: randomUUID(), name: 'weekly', spec, revision: 0 };
      await assert.rejects(schedules.putSchedule(request), failsAs('TASK_KIND_UNKNOWN'));
      // What a worker pod says when it starts.
      const known = definitions(() => assert.fail());
      await stand.db.tx((trx) => announceKinds(trx, known));
      const put = await schedules.putSchedule(request);
      assert.deepEqual(await schedules.putSchedule(request), put);
      assert.equal(put.schedule?.changedBy, 'operator/test');
      assert.equal(put.schedule?.nextAt && timestampDate(put.schedule.nextAt).getUTCDay(), 1);
      const { taskId } = await schedules.runSchedule({ requestKey: randomUUID(), name: 'weekly' });
      assert.deepEqual(await resultOf(taskId), { of: 'users', rows: 25 });
      const { pieces, mediaType, data } = await schedules.readReport({ taskId, piece: 0 });
      assert.deepEqual([pieces, mediaType], [1, 'text/csv']);
      assert.match(Buffer.from(data).toString(), /^name,shown as,/);
      await assert.rejects(schedules.readReport({ taskId, piece: 1 }), failsAs('NOT_FOUND'));
      const { schedule } = await schedules.pauseSchedule({ name: 'weekly', paused: true });
      assert.deepEqual([schedule?.paused, schedule?.nextAt, schedule?.lastTask], [true, undefined, taskId]);
      await schedules.removeSchedule({ requestKey: randomUUID(), name: 'weekly' });
      assert.deepEqual((await schedules.listSchedules({})).schedules, []);
    } finally {
      schedules.close();
    }
  });
});
