/** Argon2id alone, two at a time, as the security tier hashes. */
import { hashPassword, verifyPassword } from '#kernel/crypto/password.ts';
import { serveBench } from '../harness/child.ts';
import type { SliceAnswer } from '../harness/interleave.ts';
import { closedLoop } from '../load/closed-loop.ts';

serveBench(async ({ password }: { password: string }) => {
  const phc = await hashPassword(password);
  return ({ run }: { run: number }): Promise<SliceAnswer> =>
    closedLoop(run, 2, () => verifyPassword(phc, password));
});
