import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DescService } from '@bufbuild/protobuf';
import type { Client } from '@connectrpc/connect';
import type { RowDataPacket } from 'mysql2';
import { podNamed } from '#compose/topology/query.ts';
import { Directory } from '#gen/sallyport/directory/v1/directory_pb.js';
import { type Task, TaskService, TaskState } from '#gen/sallyport/task/v1/task_pb.js';
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

  private constructor(mesh: OwnMesh, dir: string, bertsPassword: string) {
    this.mesh = mesh;
    this.#dir = dir;
    this.effects = join(dir, 'effects');
    this.anna = new Person(mesh, mesh.demo.user, demoPassword(mesh));
    this.bert = new Person(mesh, 'bert', bertsPassword);
  }

  static async start(persistence: Persistence, progress: (line: string) => void): Promise<World> {
    const dir = mkdtempSync(join(tmpdir(), 'sp-scenarios-'));
    const environment = join(dir, 'security.env');
    writeFileSync(environment, `SALLYPORT_SECURITY_SESSIONS__PERSISTENCE=${persistence}\n`);
    let mesh: OwnMesh | undefined;
    try {
      mesh = await ownMesh({
        sizes: { workers: 3 },
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
    await this.mesh.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** As another application calls: with a certificate, to whichever security pod answers. */
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

  /** The pod that runs a task now, or has run it last. */
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

  /** Kills every process of the node on which that pod is, at once: SIGKILL. Each is started again by the runner. */
  killNodeOf(pod: string): string {
    const { topology } = this.mesh;
    const { host } = podNamed(topology, pod);
    for (const { name } of topology.pods.filter((each) => each.host === host)) {
      for (const part of ['process', 'sidecar', 'mysqld'] as const) this.mesh.kill(name, part, 'SIGKILL');
    }
    return host;
  }
}
