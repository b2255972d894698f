/** A real security process on a real MySQL of one node, with sessions opened by real handshakes. */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  AuthorizeQuestionSchema,
  AuthorizeRequestSchema,
  ProxyAuthorize,
} from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { startDbGroup } from '#test/db-group.ts';
import { enrolPhone, type Phone, type PhoneSession } from '#test/phone.ts';
import { type SecurityPod, securityPods } from '#test/security-pods.ts';
import type { BenchContext } from './harness/context.ts';
import { pin, serverCore } from './harness/cores.ts';

/** A company's, in small: what decisions are made from. */
export const policy = {
  resources: [
    {
      name: 'intranet',
      backend: 'intranet',
      hosts: ['intranet.example'],
      pathPrefix: '/',
      assertion: { audience: 'intranet' },
      limits: { maxBodyBytes: 64 * 2 ** 20 },
      rules: [{ name: 'staff', groups: ['staff'] }],
    },
    {
      name: 'payroll',
      backend: 'intranet',
      hosts: ['intranet.example'],
      pathPrefix: '/payroll',
      rules: [{ name: 'clerks', groups: ['payroll'] }],
    },
  ],
};
export const ada = { name: 'ada', password: 'correct horse', groups: ['staff', 'all', 'vpn'] };
export const asProxy = { 'x-forwarded-client-cert': 'URI=spiffe://sallyport.internal/proxy/proxy-0' };
const paths = ['/news', '/people/1234', '/files/handbook.pdf?page=3', '/api/v2/tickets'];

export interface Tier {
  readonly pod: SecurityPod;
  readonly pid: number;
  /** Of its database. */
  readonly mysqldPid: number;
  readonly phone: Phone;
  /** Opens so many sessions of one phone, one after the other. */
  sessions(count: number): Promise<PhoneSession[]>;
}

/** @param config more of the security pod's configuration */
export async function startTier(
  context: BenchContext,
  config: Readonly<Record<string, unknown>> = {},
): Promise<Tier> {
  context.progress('  starting MySQL and a security process');
  const group = await startDbGroup({ pods: 1 });
  context.defer(() => group.close());
  await group.online();
  const tier = await securityPods(group, { names: ['sec-0'], users: [ada], policy, config });
  context.defer(() => tier.close());
  const [pod] = tier.pods;
  if (pod === undefined) throw new Error('there is no security pod');
  await pod.start();
  const pid = pod.pid();
  if (pid === undefined) throw new Error('the security pod has no process');
  pin(pid, serverCore);
  const mysqldPid = group.nodes[0]?.mysqldPid();
  if (mysqldPid === undefined) throw new Error('the database has no process');
  const phone = await enrolPhone(pod.connectSocket, ada.name);
  return {
    ...{ pod, pid, mysqldPid, phone },
    sessions: async (count) => {
      const opened: PhoneSession[] = [];
      while (opened.length < count) opened.push(await phone.open(pod.connectSocket, ada.password));
      return opened;
    },
  };
}

const questions = (sessions: readonly PhoneSession[]) =>
  sessions.flatMap(({ id }) =>
    paths.map((path) =>
      create(AuthorizeRequestSchema, {
        subject: { case: 'sessionId', value: id },
        request: { method: 'GET', authority: 'intranet.example', path, clientAddress: '203.0.113.7' },
      }),
    ),
  );

/** Serialised requests for Authorize, in base64. */
export function authorizeRequests(sessions: readonly PhoneSession[]): string[] {
  return questions(sessions).map((each) => base64(toBinary(AuthorizeRequestSchema, each)));
}

/** The same for AuthorizeStream, each to stand among others in a message. */
export function streamQuestions(sessions: readonly PhoneSession[]): string[] {
  return questions(sessions).map((request, n) => {
    const question = create(AuthorizeQuestionSchema, { id: BigInt(n + 1), request });
    return base64(toBinary(AuthorizeQuestionSchema, question));
  });
}

/** An assertion about each session, as backends are shown it. */
export async function assertionsOf(tier: Tier, sessions: readonly PhoneSession[]): Promise<string[]> {
  const client = createGrpcClient(ProxyAuthorize, {
    address: `unix:${tier.pod.grpcSocket}`,
    defaultDeadlineMs: 10_000,
    metadata: asProxy,
  });
  try {
    const jwts: string[] = [];
    for (const { id } of sessions) {
      const { grant } = await client.authorize({
        subject: { case: 'sessionId', value: id },
        request: { method: 'GET', authority: 'intranet.example', path: '/news' },
      });
      if (!grant?.allow) throw new Error(`not allowed: ${grant?.explanation}`);
      jwts.push(grant.assertion);
    }
    return jwts;
  } finally {
    client.close();
  }
}

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
