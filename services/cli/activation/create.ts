import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { toString as drawQr } from 'qrcode';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import type { Outcome } from '../report.ts';

export interface ActivationOptions extends CommonOptions {
  readonly user: string;
  readonly app: string;
  /** Seconds. */
  readonly ttl: number;
  /** Undefined: where a person looks at a terminal. */
  readonly qr?: boolean;
  readonly output?: string;
}

/** `sallyport activation create` */
export async function runActivationCreate(o: ActivationOptions, command: CommandContext): Promise<Outcome> {
  const { report, signal, cwd } = command;
  const { activation, expiresAt } = await askTier(command, KeyStore, (service) =>
    service.createActivation({ user: o.user, appId: o.app, ttlSeconds: o.ttl }, { signal }),
  );
  const expires = expiresAt === undefined ? '' : timestampDate(expiresAt).toISOString();
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
  command.err(
    `One device of ${o.user} can enrol with it, once, until ${expires}. Whoever has it is trusted.\n`,
  );
  return {
    ok: true,
    items: { user: o.user, appId: o.app, expiresAt: expires, ...(o.output === undefined && { activation }) },
  };
}
