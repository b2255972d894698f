import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Drill, DrillDefinition, Step } from './drill.ts';

const here = import.meta.dirname;
const stepFile = /^\d\d-[a-z0-9-]+\.ts$/;

/** All drills, by their folders: `drill.ts`, a README.md, and numbered steps. */
export async function discoverDrills(): Promise<Drill[]> {
  const folders = readdirSync(here, { withFileTypes: true })
    .filter((each) => each.isDirectory() && existsSync(join(here, each.name, 'drill.ts')))
    .map(({ name }) => name);
  return Promise.all(folders.sort().map(load));
}

async function load(name: string): Promise<Drill> {
  const dir = join(here, name);
  const { drill } = (await import(join(dir, 'drill.ts'))) as { drill: DrillDefinition };
  const files = readdirSync(dir).filter((file) => stepFile.test(file));
  const steps = await Promise.all(
    files.sort().map(async (file) => {
      const { step } = (await import(join(dir, file))) as { step: Step };
      return { name: file.slice(0, -'.ts'.length), run: step };
    }),
  );
  return { ...drill, name, steps };
}
