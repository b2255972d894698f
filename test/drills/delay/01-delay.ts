import type { Step } from '../drill.ts';
import { hosts } from '../hosts.ts';

const delayMs = 20;

const pairs = hosts.flatMap((a, n) => hosts.slice(n + 1).map((b) => [a, b] as const));

export const step: Step = async ({ network, broken, mended, lastsMs, undo, watch }) => {
  const all = async (ms: number): Promise<void> => {
    for (const [a, b] of pairs) await network().delay(a, b, ms);
  };
  undo(() => all(0));
  await broken();
  await all(delayMs);
  await watch(lastsMs);
  await all(0);
  await mended();
};
