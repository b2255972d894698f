/** Everything that touches a secret, done once: well, and badly. Gives what was said to whoever did it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExchangeResponseBody } from '#gen/sallyport/channel/v1/channel_pb.js';
import { systemClock } from '#kernel/time/system-clock.ts';
import { runCli } from '#services/cli/run-cli.ts';
import type { World } from '../bad-input/world.ts';
import type { Answer } from '../edge/answer.ts';
import {
  codeOf,
  enrolling,
  goodMessage,
  sendEnroll,
  serverKey,
  sessionService,
} from '../edge/hand-device.ts';
import type { HandAttachment, HandSession, Head } from '../edge/hand-session.ts';
import type { Needles } from './needles.ts';

/** What somebody was told: by whom, and the bytes. */
export interface Told {
  readonly by: string;
  readonly bytes: Buffer;
}

export async function playPhone(world: World, needles: Needles): Promise<Told[]> {
  const told: Told[] = [];
  const keep = (by: string, answer: Answer): Answer => {
    const { headers, body, text, metadata } = answer;
    told.push({ by, bytes: Buffer.concat([body, Buffer.from(JSON.stringify({ headers, text, metadata }))]) });
    return answer;
  };
  const { caller, credentials } = world;
  const wrong = `wrong pass phrase ${randomBytes(6).toString('hex')}`;
  needles.addText('a wrong password', wrong);

  const activation = await world.activation();
  needles.addText('activation string', activation);
  needles.addKey('activation code', codeOf(activation));
  const { request, secrets } = await enrolling(await serverKey(caller), { code: codeOf(activation) });
  needles.addKey('shared key', secrets.sharedKey);
  needles.addKey('reply key of the enrolment', secrets.replyKey);
  keep('Enroll', await sendEnroll(caller, request));
  const again = await enrolling(await serverKey(caller), { code: codeOf(activation) });
  assert.equal(keep('Enroll again', await sendEnroll(caller, again.request)).reason, 'ACTIVATION_INVALID');

  const device = await world.newDevice();
  needles.addKey('another shared key', device.sharedKey);
  const refused = await device.send((await device.opening({ password: wrong })).request);
  assert.equal(keep('OpenSession, wrong password', refused).reason, 'CREDENTIALS_INVALID');
  const opening = await device.opening();
  needles.addKey('export of an opening', opening.attempt.exported);
  const session = device.opened(opening.attempt, keep('OpenSession', await device.send(opening.request)));
  needles.addKey('session key', session.key);
  let attachment = await attaching(session, needles);
  /** As a device does: who has come to another proxy, or lost it, attaches there and asks again. */
  const exchange = async (head: Head, body?: Uint8Array): Promise<ExchangeResponseBody> => {
    for (let attempt = 1; ; attempt += 1) {
      const asked = attachment.request(head, body);
      const answer = await attachment.send(asked);
      if (answer.reason !== 'ATTACH_REQUIRED' || attempt === 5) return attachment.inside(asked, answer);
      attachment = await attaching(session, needles);
    }
  };
  assert.equal((await exchange({ path: '/whoami' })).head?.status, 200);
  const body = Buffer.from(wrong);
  assert.equal((await exchange({ method: 'POST', path: '/echo' }, body)).head?.status, 200);
  const headers = [{ name: 'authorization', value: `Basic ${wrong}` }];
  assert.equal((await exchange({ path: '/nowhere', headers })).head?.status, 404);
  assert.equal((await exchange({ path: '/payroll', headers })).error?.reason, 'POLICY_DENIED');
  assert.equal((await exchange({ path: '/a\0', headers })).error?.reason, 'REQUEST_INVALID');
  keep('Exchange, damaged', await attachment.send({ ...attachment.request(), epoch: new Uint8Array(16) }));
  goodMessage(keep('RenewSession', await session.sendMessage('renew', session.message('renew'))));
  goodMessage(keep('CloseSession', await session.sendMessage('close', session.message('close'))));
  keep('Attach, closed', await session.sendAttach(session.attaching()));
  await world.operator.keys.revokeSharedKey({ routeKey: device.routeKey, reason: 'a test' });
  keep('OpenSession, revoked', await device.send((await device.opening()).request));

  const json = { headers: { 'content-type': 'application/json' } };
  const login = (text: string): Promise<Answer> =>
    caller.send(`${sessionService}/Login`, [Buffer.from(text)], json);
  const { user, password } = credentials;
  keep('Login, wrong password', await login(JSON.stringify({ user, password: wrong })));
  keep('Login, no JSON', await login(`{"user":"${user}","password":"${wrong}`));
  keep('Login, no string', await login(JSON.stringify({ user, password: [wrong] })));
  keep('Login, too long', await login(JSON.stringify({ user, password: wrong.repeat(100) })));
  keep('Login, in the query', await caller.send(`${sessionService}/Login?user=x`, [Buffer.from('{}')], json));
  const { token } = JSON.parse((await login(JSON.stringify({ user, password }))).body.toString()) as {
    token: string;
  };
  needles.addText('bearer token', token);
  const bearer = { headers: { ...json.headers, authorization: `Bearer ${token}` } };
  keep('GetSession', await caller.send(`${sessionService}/GetSession`, [Buffer.from('{}')], bearer));
  keep('Logout', await caller.send(`${sessionService}/Logout`, [Buffer.from('{}')], bearer));
  keep(
    'GetSession, logged out',
    await caller.send(`${sessionService}/GetSession`, [Buffer.from('{}')], bearer),
  );
  return told;
}

async function attaching(session: HandSession, needles: Needles): Promise<HandAttachment> {
  const attachment = await session.attach();
  needles.addKey('traffic key to the proxy', attachment.keys.deviceToProxy);
  needles.addKey('traffic key to the device', attachment.keys.proxyToDevice);
  return attachment;
}

/** The same at the command line, which keeps its device in a file that is as secret as the phone's own store. */
export async function playCommandLine({ mesh }: World, needles: Needles): Promise<Told[]> {
  const { stateDir } = mesh;
  const wrong = `wrong at the prompt ${randomBytes(6).toString('hex')}`;
  needles.addText('a wrong password at the command line', wrong);
  const wrongFile = join(stateDir, 'secrets', 'wrong-password');
  writeFileSync(wrongFile, `${wrong}\n`, { mode: 0o600 });
  const told: Told[] = [];
  const run = async (...args: string[]): Promise<number> => {
    let text = '';
    const write = (more: string): void => {
      text += more;
    };
    const code = await runCli(args, {
      env: { SALLYPORT_STATE: stateDir },
      cwd: stateDir,
      signal: new AbortController().signal,
      onSecondInterrupt: () => undefined,
      clock: systemClock,
      out: write,
      outBytes: async (data) => write(Buffer.from(data).toString('latin1')),
      err: write,
    });
    told.push({ by: `sallyport ${args.join(' ')}`, bytes: Buffer.from(text) });
    return code;
  };
  const device = ['--name', 'secrets-test'] as const;
  assert.equal(await run('device', 'enroll', ...device, '--json', '--verbose', '--force'), 0);
  assert.equal(await run('device', 'open', ...device, '--json', '--password-file', wrongFile), 1);
  const right = mesh.demo.passwordFile;
  assert.equal(await run('device', 'open', ...device, '--json', '--verbose', '--password-file', right), 0);
  assert.equal(await run('device', 'get', ...device, '--json', '--include', '/whoami'), 0);
  assert.equal(await run('status', '--json'), 0);
  assert.equal(await run('sessions', 'list', '--json'), 0);
  assert.equal(await run('device', 'close', ...device, '--json'), 0);
  assert.equal(await run('device', 'get', ...device, '--json', '/news'), 1);
  return told;
}
