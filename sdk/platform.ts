import type { ChannelCrypto } from '../core/channel/crypto.ts';
import { nobleCrypto } from '../core/channel/noble-crypto.ts';

/** What the SDK needs of where it runs; tests and faster cryptography come in here. */
export interface Platform {
  /** `nobleCrypto` runs everywhere; Node may pass a native one. */
  readonly crypto: ChannelCrypto;
  /** Wall-clock time of the device, Unix milliseconds. */
  now(): number;
  /** Milliseconds that never go back. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when that is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** In [0, 1); for jitter, not for secrets. */
  random(): number;
}

export const defaultPlatform: Platform = {
  crypto: nobleCrypto,
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const abort = (): void => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', abort);
        resolve();
      }, ms);
      signal?.addEventListener('abort', abort, { once: true });
    }),
  random: () => Math.random(),
};
