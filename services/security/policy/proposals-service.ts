import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { loadPolicy } from '#core/policy/compile.ts';
import type { Policy } from '#core/policy/policy.ts';
import { type Policy as PolicyApi, ProposalState } from '#gen/sallyport/policy/v1/policy_pb.js';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import { readPage } from '#kernel/rpc/page.ts';
import { type Administrator, changeKey, requireRank } from '../authorize/administrators.ts';
import { assertReachable } from './assert-reachable.ts';
import { dryRun } from './dry-run.ts';
import type { PolicyDeps } from './policy-service.ts';
import { listProposals, type Proposal, propose, readProposal, reject, sign } from './proposals.ts';
import { assertNotInCatalogue } from './versions-once.ts';
import { readJson, readToken } from './wire.ts';

type Methods = 'proposePolicy' | 'signProposal' | 'rejectProposal' | 'getProposal' | 'listProposals';

/** Policies that one proposes and another one signs: nobody signs his own. */
export function proposalHandlers(deps: PolicyDeps): Pick<Handlers<typeof PolicyApi>, Methods> {
  const { db, policies, clock, log } = deps;
  /** In one transaction, once for each request key; gives the proposal as it is then. */
  const change = async <T>(
    call: CallContext,
    by: Administrator,
    requestKey: string,
    body: Parameters<typeof db.tx<T>>[0],
  ): Promise<T> => db.tx(body, { key: changeKey(call, by, requestKey), ...held(call) });
  const proposalNow = async (call: CallContext, id: number) =>
    toWire(await db.read((on) => readProposal(on, id), held(call)));
  const checked = (document: unknown): Policy => {
    const policy = loadPolicy(document, 0);
    assertReachable(policy, deps);
    return policy;
  };

  return {
    proposePolicy: async ({ requestKey, documentJson, note }, call) => {
      const by = await deps.admins.admit(call);
      const document = readJson(documentJson);
      const told = await dryRun(deps, checked(document));
      await db.read((on) => assertNotInCatalogue(on, document), held(call));
      const proposal = { document, author: by.name, note, nowMs: clock.now() };
      const id = await change(call, by, requestKey, (trx) => propose(trx, proposal));
      log.info({ proposal: id, by: by.name }, 'a policy was proposed');
      return { proposal: await proposalNow(call, id), ...told };
    },

    signProposal: async ({ requestKey, id, note }, call) => {
      const by = await deps.admins.admit(call);
      // What was fine then may name a gateway that is no more.
      checked((await db.read((on) => readProposal(on, id), held(call))).document);
      const decision = { id, by: by.name, note, nowMs: clock.now() };
      const { version } = await change(call, by, requestKey, (trx) => sign(trx, decision));
      log.info({ proposal: id, by: by.name, version }, 'a policy was signed');
      // The others find it with their next look at the feed.
      await policies.refresh(version);
      return { proposal: await proposalNow(call, id) };
    },

    rejectProposal: async ({ requestKey, id, note }, call) => {
      const by = await deps.admins.admit(call);
      const may = ({ author }: Proposal): void => {
        if (author !== by.name) requireRank(by, 'security-officer', 'rejecting what others have proposed');
      };
      const decision = { id, by: by.name, note, nowMs: clock.now() };
      await change(call, by, requestKey, (trx) => reject(trx, decision, may));
      log.info({ proposal: id, by: by.name }, 'a proposed policy was rejected');
      return { proposal: await proposalNow(call, id) };
    },

    getProposal: async ({ id }, call) => {
      await deps.admins.admit(call);
      const found = await db.read((on) => readProposal(on, id), held(call));
      return { proposal: toWire(found), documentJson: JSON.stringify(found.document) };
    },

    listProposals: async (request, call) => {
      await deps.admins.admit(call);
      const before = readToken(request.pageToken);
      const { rows, nextPageToken } = await readPage(
        request.pageSize,
        (limit) => db.read((on) => listProposals(on, { before, limit }), held(call)),
        ({ id }) => String(id),
      );
      return { proposals: rows.map(toWire), nextPageToken };
    },
  };
}

const states: Readonly<Record<Proposal['state'], ProposalState>> = {
  open: ProposalState.OPEN,
  signed: ProposalState.SIGNED,
  rejected: ProposalState.REJECTED,
};

const toWire = (row: Omit<Proposal, 'document'>) => ({
  id: row.id,
  state: states[row.state],
  author: row.author,
  note: row.note,
  createdAt: timestampFromMs(row.created_ms),
  baseVersion: BigInt(row.base_version),
  decidedBy: row.decided_by ?? '',
  decidedNote: row.decided_note ?? '',
  ...(row.decided_ms !== null && { decidedAt: timestampFromMs(row.decided_ms) }),
  version: BigInt(row.version ?? 0),
});
