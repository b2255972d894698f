import { SallyportError } from '../../core/errors/error.ts';
import { dictionaryBytes, headBytes, longestCompressed, magic, pieceBytes } from './delta-format.ts';
import { bytesOf, type FileWriter } from './update-files.ts';

/**
 * Decompresses one frame of Zstandard with a dictionary of raw content; rejects when it is none, or gives more than
 * `most` bytes. Node has one (`sdk/updates/node.ts`); elsewhere the app passes one, or does without deltas.
 */
export type Decompress = (frame: Uint8Array, dictionary: Uint8Array, most: number) => Promise<Uint8Array>;

export interface DeltaParts {
  readonly old: Blob;
  readonly delta: Blob;
  readonly out: Pick<FileWriter, 'write'>;
  /** Bytes of the new file. */
  readonly newLength: number;
  readonly decompress: Decompress;
}

/**
 * Writes the new file. What it comes to has to be compared with its digest: this checks only that no more is read and
 * written than there may be. @throws UPDATE_UNTRUSTED when the delta is none, or does not fit the old file
 */
export async function applyDelta({ old, delta, out, newLength, decompress }: DeltaParts): Promise<void> {
  const begins = await exactly(delta, 0, magic.length);
  if (!magic.every((byte, at) => byte === begins[at])) throw unfit('it does not begin as one');
  let written = 0;
  for (let at = magic.length; at < delta.size; ) {
    const { buffer } = await exactly(delta, at, headBytes);
    const head = new DataView(buffer);
    const begin = Number(head.getBigUint64(0));
    const [length, piece, compressed] = [head.getUint32(8), head.getUint32(12), head.getUint32(16)];
    if (length > dictionaryBytes || piece > pieceBytes || compressed > longestCompressed || piece === 0) {
      throw unfit('a piece is too large');
    }
    if (written + piece > newLength) throw unfit('it gives more than was signed');
    const dictionary = await exactly(old, begin, length);
    const body = await exactly(delta, at + headBytes, compressed);
    const made = await decompress(body, dictionary, piece).catch((cause: unknown) => {
      throw unfit('a piece cannot be decompressed', cause);
    });
    if (made.length > piece) throw unfit('a piece is too large');
    await out.write(made);
    written += made.length;
    at += headBytes + compressed;
  }
}

/** @throws UPDATE_UNTRUSTED when there is not as much */
async function exactly(blob: Blob, begin: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  if (begin + length > blob.size) throw unfit('it ends early');
  return bytesOf(blob.slice(begin, begin + length));
}

const unfit = (why: string, cause?: unknown): SallyportError =>
  new SallyportError('UPDATE_UNTRUSTED', {
    message: `the delta does not fit: ${why}`,
    ...(cause !== undefined && { cause }),
  });
