/** Phones on the SDK that read a page of a whole mesh, through its edges. */
import { runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
import { startTestPhone } from '#test/mesh.ts';
import { serveBench } from '../harness/child.ts';
import type { SliceAnswer } from '../harness/interleave.ts';
import { closedLoop } from './closed-loop.ts';

export interface PhonesLoad {
  readonly stateDir: string;
  readonly phones: number;
  readonly inFlight: number;
  /** Of the intranet. */
  readonly path: string;
}

serveBench(async ({ stateDir, phones: count, inFlight, path }: PhonesLoad) => {
  const mesh = runningMesh(stateDir);
  const phones: Awaited<ReturnType<typeof startTestPhone>>[] = [];
  while (phones.length < count) phones.push(await startTestPhone(mesh));
  const work = async (n: number): Promise<boolean> => {
    const page = await phones[n % phones.length]?.read(path);
    return page?.response.status === 200;
  };
  return ({ run }: { run: number }): Promise<SliceAnswer> => closedLoop(run, inFlight, work);
});
