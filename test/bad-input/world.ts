import assert from 'node:assert/strict';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { type SessionInfo, SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { MeshFacts } from '#services/cli/mesh/mesh-of-state.ts';
import { askSecurity, createActivation } from '#services/cli/operator.ts';
import { EdgeCaller } from '../edge/edge-caller.ts';
import { app, HandDevice } from '../edge/hand-device.ts';
import type { HandAttachment, HandSession } from '../edge/hand-session.ts';
import { demoPassword } from '../mesh.ts';
import { secondUser } from './second-user.ts';

/** What the cases work with: a mesh, an enrolled device with a session, and ways to get more of them. */
export class World {
  readonly mesh: MeshFacts;
  readonly caller: EdgeCaller;
  readonly credentials: { readonly user: string; readonly password: string };
  #device: HandDevice | undefined;
  #good: HandAttachment | undefined;

  constructor(mesh: MeshFacts) {
    this.mesh = mesh;
    this.caller = new EdgeCaller(mesh.edgeUrls[0] ?? '', mesh.publicCa);
    this.credentials = { user: mesh.demo.user, password: demoPassword(mesh) };
  }

  async begin(): Promise<void> {
    this.#device = await this.newDevice();
    this.#good = await (await this.newSession()).attach();
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

  activation(ttlSeconds = 3600): Promise<string> {
    const { user } = this.credentials;
    return askSecurity(this.mesh, KeyStore, async (keyStore) => {
      const made = await keyStore.createActivation({ user, appId: app.appId, ttlSeconds });
      return made.activation;
    });
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
    const activation = await createActivation(this.mesh, { user: credentials.user, appId: app.appId });
    return HandDevice.enrol(this.caller, activation, credentials);
  }

  /** All that an operator sees of enrolments and sessions, but for when they were last seen. */
  async record(): Promise<unknown> {
    const keys = await askSecurity(this.mesh, KeyStore, (keyStore) =>
      keyStore.listSharedKeys({ includeRevoked: true, pageSize: 1000 }),
    );
    const sessions = await this.#sessions();
    return {
      keys: keys.keys,
      sessions: sessions.map(({ lastSeenAt: _, pod: __, ...session }) => session),
    };
  }

  async assertGood(): Promise<void> {
    const { head, error } = await this.good.exchange();
    assert.equal(head?.status, 200, `a good request was refused: ${error?.reason} ${error?.message}`);
  }

  close(): void {
    this.caller.close();
  }

  async #waitForSession(matches: (session: SessionInfo) => boolean): Promise<void> {
    await waitFor(async () => (await this.#sessions()).some(matches), {
      timeoutMs: 20_000,
      what: 'the session to be stored',
    });
  }

  async #sessions(): Promise<SessionInfo[]> {
    const { sessions } = await askSecurity(this.mesh, SessionService, (service) =>
      service.listSessions({ includeEnded: true, pageSize: 1000 }),
    );
    return sessions;
  }
}
