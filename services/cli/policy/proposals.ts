import { randomUUID } from 'node:crypto';
import { toJson } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import { parsePolicy } from '#core/policy/parse.ts';
import { Policy, type Proposal, ProposalSchema, ProposalState } from '#gen/sallyport/policy/v1/policy_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { type ListOptions, readList, showList } from '../list.ts';
import type { Outcome } from '../report.ts';
import { timeText } from '../time-text.ts';
import { readDocument } from './read-document.ts';
import { applyMs, effectsJson, tellEffects } from './run-policy.ts';

export interface NoteOptions extends CommonOptions {
  readonly note?: string;
}

const states: Readonly<Record<ProposalState, string>> = {
  [ProposalState.UNSPECIFIED]: '-',
  [ProposalState.OPEN]: 'open',
  [ProposalState.SIGNED]: 'signed',
  [ProposalState.REJECTED]: 'rejected',
};

/** `sallyport policy propose` */
export async function runPropose(file: string, o: NoteOptions, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const document = await readDocument(file, command);
  // Here, too, so that what is wrong is told without a mesh.
  parsePolicy(document);
  const request = {
    requestKey: randomUUID(),
    documentJson: JSON.stringify(document),
    note: o.note ?? '',
  };
  const made = await askTier(command, Policy, (policy) =>
    policy.proposePolicy(request, { signal, timeoutMs: applyMs }),
  );
  tellEffects(made, command);
  const proposal = given(made.proposal);
  report.say(
    `It is proposal ${proposal.id}. Somebody else signs it: \`sallyport policy sign ${proposal.id}\``,
  );
  return { ok: true, items: { proposal: json(proposal), ...effectsJson(made) } };
}

/** `sallyport policy sign` */
export async function runSign(id: number, o: NoteOptions, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const request = { requestKey: randomUUID(), id, note: o.note ?? '' };
  const done = await askTier(command, Policy, (policy) => policy.signProposal(request, { signal }));
  const proposal = given(done.proposal);
  report.say(`It is version ${proposal.version}, and in force everywhere within seconds.`);
  return { ok: true, items: { proposal: json(proposal) } };
}

/** `sallyport policy reject` */
export async function runReject(id: number, o: NoteOptions, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const request = { requestKey: randomUUID(), id, note: o.note ?? '' };
  const done = await askTier(command, Policy, (policy) => policy.rejectProposal(request, { signal }));
  report.say(`Proposal ${id} is rejected.`);
  return { ok: true, items: { proposal: json(given(done.proposal)) } };
}

/** `sallyport policy list` */
export async function runProposals(o: ListOptions, command: CommandContext): Promise<Outcome> {
  const { signal } = command;
  const list = await readList(o, command, (page) =>
    askTier(command, Policy, async (policy) => {
      const { proposals, nextPageToken } = await policy.listProposals(page, { signal });
      return { entries: proposals, next: nextPageToken };
    }),
  );
  return showList(command, list, {
    what: ['proposal', 'proposals'],
    head: ['id', 'state', 'by', 'proposed', 'note', 'decided by', 'version'],
    row: (each) => [
      String(each.id),
      states[each.state],
      each.author,
      timeText(each.createdAt),
      each.note || '-',
      each.decidedBy || '-',
      each.version === 0n ? '-' : String(each.version),
    ],
    json,
  });
}

/** The document of a proposal, and whose it is. */
export async function readProposal(
  id: number,
  command: CommandContext,
): Promise<{ readonly proposal: Proposal; readonly document: unknown }> {
  const found = await askTier(command, Policy, (policy) =>
    policy.getProposal({ id }, { signal: command.signal }),
  );
  return { proposal: given(found.proposal), document: JSON.parse(found.documentJson) as unknown };
}

function given(proposal: Proposal | undefined): Proposal {
  if (proposal !== undefined) return proposal;
  throw new SallyportError('MALFORMED', { message: 'the answer has no proposal' });
}

const json = (proposal: Proposal) => toJson(ProposalSchema, proposal, { alwaysEmitImplicit: true });
