import assert from 'node:assert/strict';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { type SessionInfo, SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { MeshFacts } from '#services/cli/mesh/mesh-of-state.ts';
import { operatorTls } from '#services/cli/operator.ts';
import { EdgeCaller } from '../edge/edge-caller.ts';
import { app, HandDevice } from '../edge/hand-device.ts';
import type { HandAttachment, HandSession } from '../edge/hand-session.ts';
import { demoPassword } from '../mesh.ts';
import { secondUser } from './second-user.ts';

/** Milliseconds for which an attachment is found before it is relied on. */
const steadyMs = 3000;

export interface Operator {
  readonly keys: GrpcClient<typeof KeyStore>;
  readonly sessions: GrpcClient<typeof SessionService>;
}

/** What the cases work with: a mesh, an enrolled device with a session, and ways to get more of them. */
export class World {
  readonly mesh: MeshFacts;
  readonly caller: EdgeCaller;
  readonly credentials: { readonly user: string; readonly password: string };
  readonly #open: { close(): void }[] = [];
  #operator: Operator | undefined;
  #recorded: unknown;
  #device: HandDevice | undefined;
  #good: HandAttachment | undefined;

  constructor(mesh: MeshFacts) {
    this.mesh = mesh;
    this.caller = new EdgeCaller(mesh.edgeUrls[0] ?? '', mesh.publicCa);
    this.credentials = { user: mesh.demo.user, password: demoPassword(mesh) };
  }

  async begin(): Promise<void> {
    const pod = this.mesh.pods.find(({ role }) => role === 'security');
    assert.ok(pod);
    const options = {
      address: `${pod.address}:${pod.ports.mesh}`,
      tls: await operatorTls(this.mesh.stateDir),
      defaultDeadlineMs: 20_000,
    };
    const keys = createGrpcClient(KeyStore, options);
    const sessions = createGrpcClient(SessionService, options);
    this.#open.push(keys, sessions, this.caller);
    this.#operator = { keys, sessions };
    this.#device = await this.newDevice();
    this.#good = await this.#attached();
  }

  /**
   * Attached where its key is routed for good: the edges of a mesh that has just started on a busy machine may send it
   * elsewhere first, and there it is known no more once they have found all proxies.
   */
  async #attached(): Promise<HandAttachment> {
    const session = await this.newSession();
    let attachment = await session.attach();
    let since = performance.now();
    await waitFor(
      async () => {
        const { head } = await attachment.exchange();
        if (head?.status === 200) return performance.now() - since >= steadyMs;
        attachment = await session.attach();
        since = performance.now();
        return false;
      },
      { timeoutMs: 60_000, everyMs: 100, what: 'an attachment that is found for some seconds' },
    );
    return attachment;
  }

  /** A device that is as good after each case as before. */
  get device(): HandDevice {
    assert.ok(this.#device);
    return this.#device;
  }

  /** Its attachment; cases may send bad frames under it. */
  get good(): HandAttachment {
    assert.ok(this.#good);
    return this.#good;
  }

  get session(): HandSession {
    return this.good.session;
  }

  /** Calls with an operator's certificate. */
  get operator(): Operator {
    assert.ok(this.#operator);
    this.#recorded = undefined;
    return this.#operator;
  }

  async activation(ttlSeconds = 3600, user = this.credentials.user): Promise<string> {
    const made = await this.operator.keys.createActivation({ user, appId: app.appId, ttlSeconds });
    return made.activation;
  }

  async newDevice(): Promise<HandDevice> {
    return HandDevice.enrol(this.caller, await this.activation(), this.credentials);
  }

  /** Opened, and in the database: while that is slow a session is written behind. */
  async newSession(device = this.device): Promise<HandSession> {
    const session = await device.open();
    const handle = session.id.slice(0, session.id.lastIndexOf('.'));
    await this.#waitForSession((each) => each.handle === handle);
    return session;
  }

  /** Waits until a session of the device is in the database. */
  stored({ deviceId }: Pick<HandDevice, 'deviceId'>): Promise<void> {
    return this.#waitForSession((each) => each.deviceId === deviceId);
  }

  /** Enrolled for somebody else. */
  async strangersDevice(): Promise<HandDevice> {
    const credentials = await secondUser(this.mesh);
    return HandDevice.enrol(this.caller, await this.activation(3600, credentials.user), credentials);
  }

  /**
   * All that an operator sees of enrolments and sessions, but for when they were last seen. Unless `anew`,
   * what it was at the end of the case before will do if nobody has changed anything since.
   */
  async record(anew = false): Promise<unknown> {
    if (this.#recorded === undefined || anew) {
      const { keys } = this.operator;
      const listed = await keys.listSharedKeys({ includeRevoked: true, pageSize: 1000 });
      const sessions = await this.#sessions();
      this.#recorded = {
        keys: listed.keys,
        sessions: sessions.map(({ lastSeenAt: _, pod: __, ...session }) => session),
      };
    }
    return this.#recorded;
  }

  /** On a busy machine the edge may look for another proxy for a moment, which then does not know it. */
  async assertGood(): Promise<void> {
    let why = '';
    await waitFor(
      async () => {
        const { head, error } = await this.good.exchange();
        why = `${error?.reason} ${error?.message}`;
        return head?.status === 200;
      },
      { timeoutMs: 15_000, everyMs: 100, what: 'a good request to be answered' },
    ).catch((cause: unknown) => assert.fail(`a good request was refused: ${why} ${String(cause)}`));
  }

  close(): void {
    for (const each of this.#open) each.close();
  }

  async #waitForSession(matches: (session: SessionInfo) => boolean): Promise<void> {
    await waitFor(async () => (await this.#sessions()).some(matches), {
      timeoutMs: 20_000,
      what: 'the session to be stored',
    });
  }

  async #sessions(): Promise<SessionInfo[]> {
    const { sessions } = await this.operator.sessions.listSessions({ includeEnded: true, pageSize: 1000 });
    return sessions;
  }
}
