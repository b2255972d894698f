import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import type { Step } from '../drill.ts';
import { ballast } from './disk.ts';

export const step: Step = async ({ mesh, broken, undo, note }) => {
  const file = ballast(mesh.stateDir);
  undo(() => rmSync(file, { force: true }));
  await broken();
  const piece = Buffer.alloc(65_536);
  const fd = openSync(file, 'w');
  let bytes = 0;
  try {
    for (;;) bytes += writeSync(fd, piece);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  } finally {
    closeSync(fd);
  }
  note(`the disk was full after ${Math.round(bytes / 2 ** 20)} MiB`);
};
