import { findEnvoy } from '#compose/parts/envoy.ts';

/** Path of a real Envoy, found or fetched. */
export const envoyBinary = async (): Promise<string> =>
  (await findEnvoy({ env: process.env, progress: () => {} })).bin;
