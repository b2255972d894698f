import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DescService } from '@bufbuild/protobuf';
import type { Client } from '@connectrpc/connect';
import type { RowDataPacket } from 'mysql2';
import { socketPath } from '#compose/topology/paths.ts';
import { podNamed, podsOf } from '#compose/topology/query.ts';
import { Directory } from '#gen/sallyport/directory/v1/directory_pb.js';
import { ScheduleService } from '#gen/sallyport/task/v1/schedule_pb.js';
import { type Task, TaskService, TaskState } from '#gen/sallyport/task/v1/task_pb.js';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { podHeader } from '#kernel/rpc/pod-header.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
import { askSecurityByConnect } from '#services/cli/operator.ts';
import { demoPassword, type OwnMesh, ownMesh } from '#test/mesh.ts';
import { onDatabase } from '#test/mesh-database.ts';
import { enrolDevice } from '#test/mesh-device.ts';
import type { Input } from './definitions.ts';
import { Person } from './person.ts';

export type Persistence = 'on' | 'off';

/** Milliseconds for what goes on by itself, on a machine that has other things to do. */
const patienceMs = 120_000;
/** The sidecar of an application: stands for a machine of that one's, which no node of the mesh takes with it. */
const applicationPod = 'svc-0';

/** A mesh whose nodes die, and those who notice or do not. */
export class World {
  readonly mesh: OwnMesh;
  /** Has a device. */
  readonly anna: Person;
  /** Is asked for approvals. */
  readonly bert: Person;
  /** File of what tasks have done outside. */
  readonly effects: string;
  readonly #dir: string;
  /** An application, by its sidecar: no certificate, no addresses, nothing of its own that asks again. */
  readonly #application: GrpcClient<typeof TaskService>;
  #schedules = 0;

  private constructor(mesh: OwnMesh, dir: string, bertsPassword: string) {
    this.mesh = mesh;
    this.#dir = dir;
    this.effects = join(dir, 'effects');
    this.anna = new Person(mesh, mesh.demo.user, demoPassword(mesh));
    this.bert = new Person(mesh, 'bert', bertsPassword);
    const address = `unix:${socketPath(mesh.topology, applicationPod, 'out')}`;
    this.#application = createGrpcClient(TaskService, { address, defaultDeadlineMs: patienceMs });
  }

  static async start(persistence: Persistence, progress: (line: string) => void): Promise<World> {
    const dir = mkdtempSync(join(tmpdir(), 'sp-scenarios-'));
    const environment = join(dir, 'security.env');
    writeFileSync(environment, `SALLYPORT_SECURITY_SESSIONS__PERSISTENCE=${persistence}\n`);
    let mesh: OwnMesh | undefined;
    try {
      mesh = await ownMesh({
        sizes: { workers: 3, services: 1 },
        taskModules: [join(import.meta.dirname, 'definitions.ts')],
        launch: ({ role }) => (role === 'security' ? { nodeArgs: [`--env-file=${environment}`] } : {}),
        progress: (line) => progress(`  mesh: ${line}`),
      });
      const password = randomUUID();
      const world = new World(mesh, dir, password);
      await enrolDevice(mesh);
      await world.operator(Directory, (directory) =>
        directory.createUser({ requestKey: randomUUID(), name: 'bert', displayName: 'Bert', password }),
      );
      await Promise.all([world.anna.login(), world.bert.login()]);
      return world;
    } catch (error) {
      await mesh?.close();
      rmSync(dir, { recursive: true, force: true });
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#application.close();
    await this.mesh.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** As an operator's tool calls: with a certificate, to whichever security pod answers. */
  operator<S extends DescService, T>(service: S, call: (client: Client<S>) => Promise<T>): Promise<T> {
    const { stateDir } = this.mesh;
    return askSecurityByConnect({ stateDir, pods: runningMesh(stateDir).pods }, service, call);
  }

  async submit(input: Omit<Input, 'effects'>, requestKey: string = randomUUID()): Promise<string> {
    const inputJson = JSON.stringify({ ...input, effects: this.effects });
    const { task } = await this.operator(TaskService, (tasks) =>
      tasks.submitTask({ kind: 'drill', inputJson, requestKey }),
    );
    return task?.id ?? '';
  }

  /** The same as an application does it. */
  async request(input: Omit<Input, 'effects'>, requestKey: string): Promise<string> {
    const inputJson = JSON.stringify({ ...input, effects: this.effects });
    const { task } = await this.#application.submitTask({ kind: 'drill', inputJson, requestKey });
    return task?.id ?? '';
  }

  /**
   * Resolves when the application watches a task at that pod; `ended` then gives its result. A stream that is cut is
   * opened again where it was, anywhere, as its contract has it.
   */
  async watch(id: string, pod: string): Promise<{ readonly ended: Promise<string> }> {
    let position = 0n;
    const begun = Promise.withResolvers<void>();
    const read = async (headers: Readonly<Record<string, string>>): Promise<string | undefined> => {
      for await (const told of this.#application.watchTask({ id, position }, { headers }).responses) {
        position = told.position;
        begun.resolve();
        const task = told.kind.case === 'task' ? told.kind.value : undefined;
        if (task !== undefined && task.state !== TaskState.OPEN) return task.resultJson;
      }
      return undefined;
    };
    const follow = async (): Promise<string> => {
      let result = await read({ [podHeader]: pod }).catch(() => undefined);
      const giveUp = performance.now() + patienceMs;
      while (result === undefined) {
        result = await read({}).catch((error: unknown) => {
          if (performance.now() > giveUp) throw error;
          return systemClock.sleep(100).then(() => undefined);
        });
      }
      return result;
    };
    const ended = follow();
    // It is waited for by whoever asked, who may be late.
    ended.catch(begun.reject);
    await begun.promise;
    return { ended };
  }

  /** A schedule that begins a task once, in so many milliseconds to the second; gives its name. */
  async schedule(
    { inMs, hosts = [] }: { readonly inMs: number; readonly hosts?: readonly string[] },
    input: Omit<Input, 'effects'>,
  ): Promise<string> {
    const at = new Date(systemClock.now() + inMs + 999);
    const cron = `${at.getUTCSeconds()} ${at.getUTCMinutes()} ${at.getUTCHours()} ${at.getUTCDate()} ${at.getUTCMonth() + 1} *`;
    const name = `scenario-${this.#schedules++}`;
    const inputJson = JSON.stringify({ ...input, effects: this.effects });
    const spec = { cron, kind: 'drill', inputJson, hosts: [...hosts] };
    const requestKey = randomUUID();
    await this.operator(ScheduleService, (schedules) => schedules.putSchedule({ requestKey, name, spec }));
    return name;
  }

  /** The task that a schedule has begun. */
  begunBy(name: string): Promise<string> {
    return waitFor(
      async () => {
        const { schedules } = await this.operator(ScheduleService, (tier) => tier.listSchedules({}));
        const id = schedules.find((each) => each.name === name)?.lastTask;
        return id !== undefined && id !== '' && id;
      },
      { timeoutMs: patienceMs, everyMs: 100, what: `${name} to begin` },
    );
  }

  async history(id: string): Promise<readonly string[]> {
    const { history } = await this.operator(TaskService, (tasks) => tasks.getTask({ id }));
    return history.map(({ name }) => name);
  }

  /** Resolves when the history has that many entries. */
  async reaches(id: string, entries: number): Promise<void> {
    await waitFor(async () => (await this.history(id)).length >= entries, {
      timeoutMs: patienceMs,
      what: `${id} to have ${entries} entries`,
    });
  }

  ended(id: string): Promise<Task> {
    return waitFor(
      async () => {
        const { task } = await this.operator(TaskService, (tasks) => tasks.getTask({ id }));
        return task !== undefined && task.state !== TaskState.OPEN && task;
      },
      { timeoutMs: patienceMs, everyMs: 250, what: `${id} to end` },
    );
  }

  /** The pod that runs a task now; waits until one does. */
  async workerOf(id: string): Promise<string> {
    return waitFor(
      () =>
        onDatabase(runningMesh(this.mesh.stateDir), async (connection) => {
          const [rows] = await connection.query<RowDataPacket[]>(
            'select claimed_by from tasks where id = ?',
            [id],
          );
          const by: unknown = rows[0]?.claimed_by;
          return typeof by === 'string' ? by.slice(0, by.lastIndexOf('.')) : undefined;
        }),
      { timeoutMs: patienceMs, what: `somebody to run ${id}` },
    );
  }

  /** The security pod of the same node. */
  securityPodBeside(pod: string): string {
    const { topology } = this.mesh;
    const { host } = podNamed(topology, pod);
    return podsOf(topology, 'security').find((each) => each.host === host)?.name ?? '';
  }

  /** Kills every process of the node on which that pod is, at once: SIGKILL. Each is started again by the runner. */
  killNodeOf(pod: string): string {
    const { topology } = this.mesh;
    const { host } = podNamed(topology, pod);
    for (const { name } of topology.pods.filter(
      (each) => each.host === host && each.name !== applicationPod,
    )) {
      for (const part of ['process', 'sidecar', 'mysqld'] as const) this.mesh.kill(name, part, 'SIGKILL');
    }
    return host;
  }
}
