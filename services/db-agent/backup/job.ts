import { z } from 'zod';

const absolute = z.string().startsWith('/', 'must be an absolute path');

/** What `sallyport backup schedule` has set, in `<state>/backup.json`: where to, under which key, how often. */
export const backupJob = z.strictObject({
  version: z.literal(1),
  target: z.string().min(1),
  keyFile: absolute,
  credentialsFile: absolute.optional(),
  hostKey: z.string().optional(),
  /** Seconds between two snapshots; 0: only on request. */
  everySeconds: z.int().min(0).max(604_800),
  /** Seconds between two looks at the log: what may be lost. */
  logSeconds: z.int().min(1).max(3600),
  keepHours: z.int().min(1).max(8760),
  keepDays: z.int().min(0).max(3660),
});
export type BackupJob = z.infer<typeof backupJob>;

/** What the agent hears from its backup process, and tells those who ask. */
export interface BackupWord {
  readonly phase: 'starting' | 'waiting' | 'copying' | 'proving';
  /** Snapshots that were asked for and are done, well or not. */
  readonly answered: number;
  /** Of the last one. */
  readonly last?: { readonly id: string; readonly tookMs: number; readonly proofMs: number };
  /** What fails at present; it is tried again. */
  readonly error?: { readonly reason: string; readonly message: string };
}
