import { toJson } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import {
  KeyStore,
  type RootKeyStatus,
  type SharedKeyInfo,
  SharedKeyInfoSchema,
} from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { askTier } from '../ask-tier.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { type ListOptions, readList, showList } from '../list.ts';
import type { Outcome } from '../report.ts';
import { timeText } from '../time-text.ts';

export interface KeyListOptions extends ListOptions {
  readonly user?: string;
  readonly revoked?: boolean;
}

export interface KeyRevokeOptions extends CommonOptions {
  readonly reason: string;
}

/** A root key that rests outside may be slow to give, and a rotation touches all data keys. */
const rootKeyMs = 60_000;

/** `sallyport keys list` */
export async function runKeyList(o: KeyListOptions, command: CommandContext): Promise<Outcome> {
  const { signal } = command;
  const list = await readList(o, command, (page) =>
    askTier(command, KeyStore, async (service) => {
      const filter = { user: o.user ?? '', includeRevoked: o.revoked === true };
      const { keys, nextPageToken } = await service.listSharedKeys({ ...filter, ...page }, { signal });
      return { entries: keys, next: nextPageToken };
    }),
  );
  return showList(command, list, {
    what: ['enrolment', 'enrolments'],
    head: ['user', 'device', 'app', 'platform', 'enrolled', 'key', 'state', 'device id', 'route key'],
    row: (key) => [
      key.user,
      key.deviceName,
      key.appId,
      key.platform,
      timeText(key.createdAt),
      String(key.keyVersion),
      stateText(key),
      key.deviceId,
      key.routeKey,
    ],
    json: keyJson,
  });
}

/** `sallyport keys rotate` */
export async function runKeyRotate(routeKey: string, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const { key } = await askTier(command, KeyStore, (service) =>
    service.rotateSharedKey({ routeKey }, { signal }),
  );
  if (key === undefined) throw new SallyportError('MALFORMED', { message: 'the answer has no key' });
  report.say(`${key.deviceName || key.deviceId} agrees key ${key.keyVersion + 1} when it next logs in.`);
  return { ok: true, items: { key: keyJson(key) } };
}

/** `sallyport keys revoke` */
export async function runKeyRevoke(
  routeKey: string,
  { reason }: KeyRevokeOptions,
  command: CommandContext,
): Promise<Outcome> {
  const { report, signal } = command;
  const { position } = await askTier(command, KeyStore, (service) =>
    service.revokeSharedKey({ routeKey, reason }, { signal }),
  );
  report.say(`The enrolment and its sessions are ended (position ${position} of the feed).`);
  return { ok: true, items: { position: Number(position) } };
}

/** `sallyport keys root-status` and `root-rotate` */
export async function runRootKey(rotate: boolean, command: CommandContext): Promise<Outcome> {
  const { report, signal } = command;
  const options = { signal, timeoutMs: rootKeyMs };
  if (rotate) report.progress('wrapping the data keys under the newest root key');
  const { status } = await askTier<typeof KeyStore, { status?: RootKeyStatus | undefined }>(
    command,
    KeyStore,
    (service) => (rotate ? service.rotateRootKey({}, options) : service.getRootKeyStatus({}, options)),
  );
  if (status === undefined) throw new SallyportError('MALFORMED', { message: 'the answer has no status' });
  report.say(`newest root key ${status.currentRootKeyId}`);
  return {
    ok: !rotate || status.dataKeysPending === 0,
    figures: rootKeyFigures(status),
    items: { currentRootKeyId: status.currentRootKeyId },
  };
}

const rootKeyFigures = (status: RootKeyStatus) => [
  { name: 'data keys under it', value: status.dataKeysCurrent, unit: 'keys', goal: '', ok: true },
  {
    name: 'under an older one',
    value: status.dataKeysPending,
    unit: 'keys',
    goal: '0',
    ok: status.dataKeysPending === 0,
  },
];

const keyJson = (key: SharedKeyInfo): unknown =>
  toJson(SharedKeyInfoSchema, key, { alwaysEmitImplicit: true });

function stateText(key: SharedKeyInfo): string {
  if (key.revokedAt !== undefined) return `revoked ${timeText(key.revokedAt)}`;
  return key.rotationPending ? 'to be rotated' : 'in use';
}
