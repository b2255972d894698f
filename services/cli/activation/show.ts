import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import { toString as drawQr } from 'qrcode';
import type { CommandContext } from '../command.ts';
import type { Outcome } from '../report.ts';

/** Where an activation string goes. */
export interface ActivationOutput {
  /** Undefined: where a person looks at a terminal. */
  readonly qr?: boolean;
  readonly output?: string;
}

/** @param as what to say of it, and to programs */
export async function showActivation(
  made: { readonly activation: string; readonly expiresAt?: Timestamp | undefined },
  o: ActivationOutput,
  command: CommandContext,
  as: { readonly who: string; readonly items: Readonly<Record<string, unknown>> },
): Promise<Outcome> {
  const { report, cwd } = command;
  const { activation } = made;
  const expiresAt = made.expiresAt === undefined ? '' : timestampDate(made.expiresAt).toISOString();
  if (o.qr ?? (process.stdout.isTTY && !report.json && o.output === undefined)) {
    // The least correction: a screen has no scratches, and fewer modules are easier to scan.
    const drawn = await drawQr(activation, { type: 'terminal', small: true, errorCorrectionLevel: 'L' });
    for (const line of drawn.trimEnd().split('\n')) report.say(line);
  }
  if (o.output === undefined) report.say(activation);
  else {
    const file = resolve(cwd, o.output);
    // Never over another file: who may read that one is somebody else's decision.
    writeFileSync(file, `${activation}\n`, { mode: 0o600, flag: 'wx' });
    report.say(`written to ${file}`);
  }
  // To standard error, so that standard output can be piped on.
  command.err(`${as.who}, once, until ${expiresAt}. Whoever has it is trusted.\n`);
  return { ok: true, items: { ...as.items, expiresAt, ...(o.output === undefined && { activation }) } };
}
