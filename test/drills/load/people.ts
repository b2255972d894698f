import { SallyportError } from '#core/errors/error.ts';
import { RevokeWait, SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { systemClock } from '#kernel/time/system-clock.ts';
import type { Session } from '#sdk/session.ts';
import { askSecurity } from '#services/cli/operator.ts';
import { handleOf } from '#services/security/session/record.ts';
import { activationFor } from '#test/mesh.ts';
import { enrolDevice, type TestDevice } from '#test/mesh-device.ts';
import type { Completion, Invocation } from '../history/schema.ts';
import type { LoadContext } from './context.ts';
import type { NamedDevice } from './devices.ts';
import { get } from './requests.ts';
import type { Operation, Window } from './window.ts';

/** Of each rare kind under way at most; more are not begun. Enough for all that wait while a majority is away. */
const maxOpen = 100;
/** Every so many revocations one waits for the whole fleet. */
const fleetEvery = 4;
/** Longer than a lease and the time for which a pod may go on without the feed. */
const fleetMs = 60_000;
/** A revocation that was acknowledged has reached everybody by then: freshness and lease, one after the other. */
const revokedMs = 35_000;

/** Devices of which it is looked at once whether they are still enrolled. */
const checkedAtOnce = 4;

/** What has been acknowledged in a drill and is looked at again at its end. */
interface Promises {
  readonly enrolled: TestDevice[];
  readonly revoked: { readonly session: Session; readonly what: string }[];
}

/** Logins, enrolments and revocations, each at its own low rate. */
export class People {
  readonly #context: LoadContext;
  readonly #devices: readonly NamedDevice[];
  readonly #timers: NodeJS.Timeout[] = [];
  #later: NodeJS.Timeout | undefined;
  #promises: Promises = { enrolled: [], revoked: [] };
  #ending: Promises = { enrolled: [], revoked: [] };
  readonly #open = new Map<string, number>();
  #turn = 0;
  #revocations = 0;

  /** `devices` are enrolled, and have no sessions of their own. */
  constructor(context: LoadContext, devices: readonly NamedDevice[]) {
    this.#context = context;
    this.#devices = devices;
  }

  start(): void {
    const { logins, enrolments, revocations } = this.#context.options;
    this.#every(logins, 'logins', () => this.#login());
    this.#every(enrolments, 'enrolments', () => this.#enrol());
    // In between, so that writes are half as far apart.
    const half = revocations > 0 ? 500 / revocations : 0;
    this.#later = setTimeout(() => this.#every(revocations, 'revocations', () => this.#revoke()), half);
  }

  stop(): void {
    clearTimeout(this.#later);
    for (const timer of this.#timers) clearInterval(timer);
  }

  /** A drill ends: what is acknowledged from now on is another one's. */
  rotate(): void {
    this.#ending = this.#promises;
    this.#promises = { enrolled: [], revoked: [] };
  }

  /** Looks at all that was acknowledged in the drill that ends. */
  async check(window: Window): Promise<void> {
    const { enrolled, revoked } = this.#ending;
    const until = this.#context.now() + revokedMs;
    await Promise.all([
      this.#stillEnrolled(enrolled, window),
      ...revoked.map(async ({ session, what }) => {
        while ((await lookAt(session)).outcome !== 'refused') {
          if (this.#context.now() > until) return window.isLost(`the revocation of ${what}`);
          await systemClock.sleep(1000);
        }
      }),
    ]);
    for (const { device } of enrolled) device.close();
  }

  /** A few at a time: this is no load. */
  async #stillEnrolled(devices: readonly TestDevice[], window: Window): Promise<void> {
    const left = devices.values();
    const next = async (): Promise<void> => {
      for (const device of left) await stillEnrolled(device, window);
    };
    await Promise.all(Array.from({ length: checkedAtOnce }, next));
  }

  #every(perSecond: number, what: string, work: () => Promise<void>): void {
    if (perSecond <= 0) return;
    const run = async (): Promise<void> => {
      const open = this.#open.get(what) ?? 0;
      if (open >= maxOpen) {
        this.#context.window().skipped += 1;
        return;
      }
      this.#open.set(what, open + 1);
      try {
        await work();
      } finally {
        this.#open.set(what, (this.#open.get(what) ?? 1) - 1);
      }
    };
    this.#timers.push(setInterval(() => void run(), 1000 / perSecond));
  }

  get #device(): NamedDevice {
    this.#turn += 1;
    const device = this.#devices[this.#turn % this.#devices.length];
    if (device === undefined) throw new RangeError('there are no devices to log in on');
    return device;
  }

  /** Opens a session, uses it and closes it. Undefined when it could not be opened. */
  async #opened(of: NamedDevice): Promise<Session | undefined> {
    const { user } = of.credentials;
    const invocation = {
      ...({ kind: 'login', client: of.name, user, enrolment: of.device.enrolment.routeKey } as const),
    };
    const session = await this.#measured(
      'login',
      of.name,
      invocation,
      () => of.device.open(of.credentials),
      // A device does not learn whether its session is in the database yet.
      ({ id, expiresAtMs }) => ({ session: handleOf(id), expiresWall: expiresAtMs, writtenBehind: true }),
    );
    if (session) await get(this.#context, { ...of, session });
    return session;
  }

  async #login(): Promise<void> {
    const session = await this.#opened(this.#device);
    if (session) await this.#closed(session);
  }

  async #enrol(): Promise<void> {
    const { mesh } = this.#context;
    const call = { kind: 'call', client: 'operator', method: 'CreateActivation' } as const;
    const activation = await this.#measured('activate', 'an activation', call, () => activationFor(mesh));
    if (activation === undefined) return;
    const promises = this.#promises;
    const device = await this.#measured(
      'enrol',
      'a device',
      { kind: 'enroll', client: 'a new device', user: mesh.demo.user },
      () => enrolDevice(mesh, { activation }),
      (enrolled) => ({ enrolment: enrolled.device.enrolment.routeKey }),
    );
    if (device === undefined) return;
    promises.enrolled.push(device);
    const session = await this.#opened({ ...device, name: 'a new device' });
    if (session) await this.#closed(session);
  }

  async #revoke(): Promise<void> {
    const fleet = ++this.#revocations % fleetEvery === 0;
    const session = await this.#opened(this.#device);
    if (session === undefined) return;
    const window = this.#context.window();
    const promises = this.#promises;
    const what = `session ${session.id.slice(0, 12)}…`;
    const ask = () =>
      askSecurity(this.#context.mesh, SessionService, (sessions) =>
        sessions.revokeSessions(
          {
            subject: { case: 'session', value: session.id },
            reason: 'a drill',
            wait: fleet ? RevokeWait.FLEET : RevokeWait.COMMITTED,
          },
          fleet ? { deadlineMs: Date.now() + fleetMs } : {},
        ),
      );
    const answer = await this.#measured(
      fleet ? 'fleet' : 'revoke',
      what,
      endOf(session, 'operator', fleet ? 'FLEET' : 'NONE'),
      ask,
      // Committed, which is not yet what FLEET asks for.
      ({ everywhere }) => (fleet && !everywhere ? { outcome: 'failed' } : {}),
    );
    if (answer === undefined) return this.#closed(session);
    promises.revoked.push({ session, what });
    // I1: from here on nobody may accept it.
    if (!answer.everywhere) return;
    await window.look(
      { ...{ kind: 'request', client: what, session: handleOf(session.id) }, ...newsRequest },
      () => lookAt(session),
      (end) => end,
    );
  }

  async #closed(session: Session): Promise<void> {
    const window = this.#context.window();
    try {
      await window.look(
        endOf(session, 'a device', 'NONE'),
        () => session.close(),
        () => ({ outcome: 'ok' }),
      );
    } catch (thrown) {
      window.failed(window.begin('login', 'closing a session'), thrown);
    }
  }

  /** The result of an operation that counts; undefined when it has failed, which is recorded. */
  async #measured<T>(
    kind: Operation['kind'],
    what: string,
    invocation: Invocation,
    work: () => Promise<T>,
    seen: (result: T) => Partial<Completion> = () => ({}),
  ): Promise<T | undefined> {
    const window = this.#context.window();
    const operation = window.begin(kind, what, invocation);
    try {
      const result = await work();
      window.ok(operation, seen(result));
      return result;
    } catch (thrown) {
      window.failed(operation, thrown);
      return undefined;
    }
  }
}

const newsRequest = { method: 'GET', path: '/news', repeatable: true } as const;

/** The end of a session that somebody asks for, as the history has it. */
const endOf = (session: Session, client: string, wait: 'NONE' | 'FLEET') => ({
  ...{ kind: 'revoke' as const, client, wait, target: { of: 'session' as const, id: handleOf(session.id) } },
});

/** How a request of a session ends that ought to be over. */
async function lookAt(session: Session): Promise<Completion> {
  try {
    const response = await session.fetch(newsRequest.path);
    await response.bytes();
    return { outcome: 'ok', proxy: response.proxy, status: response.status };
  } catch (thrown) {
    const { reason } = SallyportError.from(thrown);
    const isOver =
      reason === 'SESSION_REVOKED' || reason === 'SESSION_UNKNOWN' || reason === 'SESSION_EXPIRED';
    // Other failures say nothing about that.
    return { outcome: isOver ? 'refused' : 'failed', reason };
  }
}

async function stillEnrolled({ device, credentials }: TestDevice, window: Window): Promise<void> {
  try {
    await (await device.open(credentials)).close();
  } catch (thrown) {
    const { reason } = SallyportError.from(thrown);
    if (reason === 'ENROLMENT_REVOKED' || reason === 'UNSEALABLE' || reason === 'NOT_FOUND')
      window.isLost(`an enrolment: ${reason}`);
    else window.failed(window.begin('login', 'a device enrolled in this drill'), thrown);
  }
}
