import { toJson } from '@bufbuild/protobuf';
import { ScimTokenSchema, Sources } from '#gen/sallyport/directory/v1/sources_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext } from '../command.ts';
import type { Outcome } from '../report.ts';
import { table } from '../table.ts';
import { timeText } from '../time-text.ts';
import type { CreateOptions } from './commands.ts';

const daySeconds = 86_400;

/** `sallyport scim-tokens create` */
export async function runCreate(source: string, o: CreateOptions, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const request = { source, label: o.label ?? '', lifetimeSeconds: (o.days ?? 0) * daySeconds };
  const { id, token } = await askTier(command, Sources, (tier) => tier.createScimToken(request, { signal }));
  report.say(token);
  report.say(`Its id is ${id}. It is not shown again.`);
  return { ok: true, items: { items: [{ id, token, source }] } };
}

/** `sallyport scim-tokens list` */
export async function runList(source: string, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const { tokens } = await askTier(command, Sources, (tier) => tier.listScimTokens({ source }, { signal }));
  const rows = tokens.map((each) => [
    each.id,
    each.source,
    each.label || '-',
    each.createdBy,
    each.expiresAt === undefined ? 'never' : timeText(each.expiresAt),
    each.usedAt === undefined ? 'never' : timeText(each.usedAt),
  ]);
  const head = ['id', 'source', 'label', 'made by', 'expires', 'last used'];
  if (rows.length > 0) for (const line of table(head, rows)) report.say(line);
  report.say(`${tokens.length} ${tokens.length === 1 ? 'token' : 'tokens'}`);
  return {
    ok: true,
    items: { items: tokens.map((each) => toJson(ScimTokenSchema, each, { alwaysEmitImplicit: true })) },
  };
}

/** `sallyport scim-tokens revoke` */
export async function runRevoke(id: string, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  await askTier(command, Sources, (tier) => tier.revokeScimToken({ id }, { signal }));
  report.say(`The token ${id} is good no more.`);
  return { ok: true };
}
