import { once } from 'node:events';
import type { Writable } from 'node:stream';

export interface Output {
  readonly write: (text: string) => void;
  /** Resolves when more may be written. @throws the stream's error once it is broken */
  readonly writeBytes: (data: Uint8Array) => Promise<void>;
}

/**
 * A standard stream that may break (`sallyport … | head`): text is then dropped, since a mesh must not die of
 * a closed terminal; whoever writes bytes learns of it.
 */
export function openOutput(stream: Writable): Output {
  let broken: Error | undefined;
  stream.on('error', (error) => {
    broken = error;
  });
  return {
    write: (text) => {
      if (broken === undefined) stream.write(text);
    },
    writeBytes: async (data) => {
      if (broken !== undefined) throw broken;
      // `once` rejects when the stream breaks meanwhile.
      if (!stream.write(data)) await once(stream, 'drain');
    },
  };
}
