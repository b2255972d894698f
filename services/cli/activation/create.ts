import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import type { Outcome } from '../report.ts';
import { type ActivationOutput, showActivation } from './show.ts';

export interface ActivationOptions extends CommonOptions, ActivationOutput {
  readonly user: string;
  readonly app: string;
  /** Seconds. */
  readonly ttl: number;
}

/** `sallyport activation create` */
export async function runActivationCreate(o: ActivationOptions, command: CommandContext): Promise<Outcome> {
  const { signal } = command;
  const made = await askTier(command, KeyStore, (service) =>
    service.createActivation({ user: o.user, appId: o.app, ttlSeconds: o.ttl }, { signal }),
  );
  return showActivation(made, o, command, {
    who: `One device of ${o.user} can enrol with it`,
    items: { user: o.user, appId: o.app },
  });
}
