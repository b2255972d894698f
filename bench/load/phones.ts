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
  while (phones.length < count) {
    const phone = await startTestPhone(mesh);
    // Alone: the intranet fetches the keys of assertions for the first request, and refuses others meanwhile.
    await phone.read(path);
    phones.push(phone);
  }
  const work = async (n: number): Promise<boolean> => {
    const page = await phones[n % phones.length]?.read(path);
    if (page?.response.status === 200) return true;
    const said = page && Buffer.from(page.body.subarray(0, 200)).toString();
    process.stderr.write(`${path}: ${page?.response.status} ${said}\n`);
    return false;
  };
  return ({ run }: { run: number }): Promise<SliceAnswer> => closedLoop(run, inFlight, work);
});
