import { join } from 'node:path';
import { z } from 'zod';
import { isReason, SallyportError } from '#core/errors/error.ts';

/**
 * How the CLI asks a runner to change its mesh: HTTP on a Unix socket of the run folder, which only its user
 * can open. `POST /<change>` with a JSON body; the answer is JSON lines, `{"progress"}` while it goes on and
 * `{"result"}` or `{"error"}` at the end. Who closes the connection gives the change up.
 */
export const controlSocket = (runDir: string): string => join(runDir, 'control.sock');

const name = z.string().min(1).max(40);
const path = z.string().min(1).max(4096);

/** What is said in the body of each request. */
export const requests = {
  restart: z.strictObject({
    pods: z.array(name).max(200).optional(),
    tiers: z.array(name).max(20).optional(),
    all: z.boolean().optional(),
    parallel: z.int().min(1).max(9).optional(),
  }),
  scale: z.strictObject({ tier: name, size: z.int().min(0).max(100) }),
  drain: z.strictObject({ pod: name }),
  undrain: z.strictObject({ pod: name }),
  apply: z.strictObject({
    file: path.optional(),
    patchesDir: path.optional(),
    dryRun: z.boolean().optional(),
    restart: z.boolean().optional(),
  }),
  promoteSite: z.strictObject({}),
  rejoinSite: z.strictObject({}),
  rotateCertificates: z.strictObject({ roots: z.boolean().optional() }),
} as const;
export type ChangeName = keyof typeof requests;
export type ChangeRequest<N extends ChangeName> = z.output<(typeof requests)[N]>;

const toldError = z.object({ reason: z.string(), message: z.string(), hint: z.string() });
/** A line of the answer. */
export const controlLine = z.union([
  z.object({ progress: z.string() }),
  z.object({ result: z.unknown() }),
  z.object({ error: toldError }),
]);
export type ControlLine = z.infer<typeof controlLine>;

/** An error as the runner tells it. */
export function told(thrown: unknown): ControlLine {
  const { reason, message, hint } = SallyportError.from(thrown);
  return { error: { reason, message, hint } };
}

/** The same error again, on the other side. */
export function untold({ reason, message, hint }: z.infer<typeof toldError>): SallyportError {
  return isReason(reason)
    ? new SallyportError(reason, { message, hint })
    : new SallyportError('INTERNAL', { message: `${reason}: ${message}`, hint });
}
