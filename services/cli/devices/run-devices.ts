import { toJson } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import { type Device, DeviceSchema, DeviceService, DeviceState } from '#gen/sallyport/device/v1/device_pb.js';
import { type ActivationOutput, showActivation } from '../activation/show.ts';
import { askTier } from '../ask-tier.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import { UsageError } from '../failure.ts';
import { type ListOptions, readList, showList } from '../list.ts';
import type { Outcome } from '../report.ts';
import { type WaitOption, waitFor } from '../sessions/wait.ts';
import { timeText } from '../time-text.ts';

export interface DeviceListOptions extends ListOptions {
  readonly user?: string;
  readonly revoked?: boolean;
}

export interface UnblockOptions extends CommonOptions {
  readonly blockedBy?: string;
}

/** Devices of one look. */
const pageSize = 200;

export interface DeviceEndOptions extends CommonOptions, WaitOption {
  readonly reason: string;
}

export interface DeviceReplaceOptions extends CommonOptions, ActivationOutput {
  /** Seconds. */
  readonly ttl: number;
}

/** `sallyport devices list` */
export async function runDevicesList(o: DeviceListOptions, command: CommandContext): Promise<Outcome> {
  const { signal } = command;
  const list = await readList(o, command, (page) =>
    askTier(command, DeviceService, async (service) => {
      const filter = { user: o.user ?? '', includeRevoked: o.revoked === true };
      const { devices, nextPageToken } = await service.listDevices({ ...filter, ...page }, { signal });
      return { entries: devices, next: nextPageToken };
    }),
  );
  return showList(command, list, {
    what: ['device', 'devices'],
    head: ['user', 'device', 'state', 'app', 'version', 'platform', 'last seen', 'device id'],
    row: (device) => [
      device.user,
      device.name,
      stateText(device),
      device.appId,
      device.appVersion || '-',
      [device.platform, device.osVersion].join(' ').trim(),
      device.lastSeenAt === undefined ? 'never' : timeText(device.lastSeenAt),
      device.deviceId,
    ],
    json: deviceJson,
  });
}

/** `sallyport devices show` */
export async function runDeviceShow(deviceId: string, command: CommandContext): Promise<Outcome> {
  const { signal } = command;
  const { device } = await askTier(command, DeviceService, (service) =>
    service.getDevice({ deviceId }, { signal }),
  );
  return told(device, command, (d) => [
    `${d.name} of ${d.user}, ${stateText(d)}`,
    `  app        ${d.appId} ${d.appVersion} ${d.certDigest && `(certificate ${d.certDigest})`}`.trimEnd(),
    `  platform   ${d.platform} ${d.osVersion}`.trimEnd(),
    `  posture    ${
      Object.entries(d.posture)
        .map(([name, value]) => `${name}=${value}`)
        .join(', ') || '-'
    }`,
    `  attested   ${
      Object.entries(d.attestation)
        .map(([name, value]) => `${name}=${value}`)
        .join(', ') || '-'
    }`,
    `  enrolled   ${timeText(d.enrolledAt)}`,
    `  last seen  ${d.lastSeenAt === undefined ? 'never' : timeText(d.lastSeenAt)}`,
    `  device id  ${d.deviceId}`,
    `  route key  ${d.routeKey}`,
  ]);
}

/** `sallyport devices rename` */
export async function runDeviceRename(
  deviceId: string,
  name: string,
  command: CommandContext,
): Promise<Outcome> {
  const { signal } = command;
  const { device } = await askTier(command, DeviceService, (service) =>
    service.renameDevice({ deviceId, name }, { signal }),
  );
  return told(device, command, (d) => [`The device of ${d.user} is now called ${d.name}.`]);
}

/** `sallyport devices block` */
export async function runDeviceBlock(
  deviceId: string,
  { reason, wait }: DeviceEndOptions,
  command: CommandContext,
): Promise<Outcome> {
  const ending = waitFor(wait, command);
  const { device, position, everywhere } = await askTier(command, DeviceService, (service) =>
    service.blockDevice({ deviceId, reason, wait: ending.wire }, ending.call),
  );
  const outcome = ending.outcome({ position, everywhere });
  const { items } = told(device, command, (d) => [`${d.name} of ${d.user} is blocked by ${d.blockedBy}.`]);
  return { ...outcome, items: { ...items, ...outcome.items } };
}

/** `sallyport devices unblock` */
export async function runDeviceUnblock(
  deviceId: string | undefined,
  { blockedBy }: UnblockOptions,
  command: CommandContext,
): Promise<Outcome> {
  const { signal } = command;
  if ((deviceId === undefined) === (blockedBy === undefined))
    throw new UsageError('which one?', 'name a device, or say --blocked-by');
  if (deviceId === undefined) return unblockAll(blockedBy ?? '', command);
  const { device } = await askTier(command, DeviceService, (service) =>
    service.unblockDevice({ deviceId }, { signal }),
  );
  return told(device, command, (d) => [`${d.name} of ${d.user} may open sessions again.`]);
}

/** Cut off, it is run again for those that are left. */
async function unblockAll(blockedBy: string, command: CommandContext): Promise<Outcome> {
  const { signal, report } = command;
  const done = new Set<string>();
  let pageToken = '';
  do {
    pageToken = await askTier(command, DeviceService, async (service) => {
      const page = await service.listDevices({ pageSize, pageToken }, { signal });
      for (const device of page.devices.filter((each) => each.blockedBy === blockedBy)) {
        await service.unblockDevice({ deviceId: device.deviceId }, { signal });
        done.add(device.deviceId);
      }
      return page.nextPageToken;
    });
    if (pageToken !== '') report.progress(`${done.size} devices may open sessions again`);
  } while (pageToken !== '');
  report.say(`${done.size} devices that were blocked by ${blockedBy} may open sessions again.`);
  return {
    ok: true,
    figures: [{ name: 'unblocked', value: done.size, unit: 'devices', goal: '', ok: true }],
  };
}

/** `sallyport devices wipe` */
export async function runDeviceWipe(
  deviceId: string,
  { reason, wait }: DeviceEndOptions,
  command: CommandContext,
): Promise<Outcome> {
  const ending = waitFor(wait, command);
  return ending.outcome(
    await askTier(command, DeviceService, (service) =>
      service.wipeSessions({ deviceId, reason, wait: ending.wire }, ending.call),
    ),
  );
}

/** `sallyport devices replace` */
export async function runDeviceReplace(
  deviceId: string,
  options: DeviceReplaceOptions,
  command: CommandContext,
): Promise<Outcome> {
  const { signal } = command;
  const made = await askTier(command, DeviceService, (service) =>
    service.replaceDevice({ deviceId, ttlSeconds: options.ttl }, { signal }),
  );
  return showActivation(made, options, command, {
    who: 'One device can take the place of the old one with it',
    items: { deviceId },
  });
}

const states: Readonly<Record<DeviceState, string>> = {
  [DeviceState.UNSPECIFIED]: '?',
  [DeviceState.ENROLLED]: 'enrolled',
  [DeviceState.BLOCKED]: 'blocked',
  [DeviceState.REVOKED]: 'revoked',
};

const stateText = ({ state }: Device): string => states[state] ?? '?';

/** As in the contract's JSON, every field of it. */
const deviceJson = (device: Device): unknown => toJson(DeviceSchema, device, { alwaysEmitImplicit: true });

function told(
  device: Device | undefined,
  { report }: CommandContext,
  lines: (device: Device) => readonly string[],
): Outcome & { readonly items: Readonly<Record<string, unknown>> } {
  if (device === undefined) throw new SallyportError('MALFORMED', { message: 'the answer has no device' });
  for (const line of lines(device)) report.say(line);
  return { ok: true, items: { device: deviceJson(device) } };
}
