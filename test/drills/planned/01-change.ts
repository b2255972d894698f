import type { Step } from '../drill.ts';
import { changes } from './changes.ts';

export const step: Step = async (context) => {
  const { failure, broken, mended, note } = context;
  const change = changes.find(({ name }) => name === failure.name);
  if (change === undefined) throw new Error(`no way is known to bring about: ${failure.name}`);
  const began = performance.now();
  await broken();
  await change.make(context);
  await mended();
  note(`it took ${((performance.now() - began) / 1000).toFixed(1)} s`);
};
