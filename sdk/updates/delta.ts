import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import { SallyportError } from '../../core/errors/error.ts';

/**
 * A delta is "SPD1", then the new file piece by piece: where the dictionary begins in the old file (u64), its length,
 * the piece's length, the compressed length (u32 each, big-endian), and the piece compressed by Zstandard (RFC 8878)
 * with that part of the old file as dictionary. Pieces and dictionaries are bounded, and so is memory, however large
 * the files are; what has moved by more than half a dictionary is not found again.
 */
const magic = Buffer.from('SPD1');
const headBytes = 20;
const pieceBytes = 8 * 2 ** 20;
const dictionaryBytes = 16 * 2 ** 20;
/** Zstandard makes nothing longer by more than this. */
const longestCompressed = pieceBytes + 2 ** 16;

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);
/** Tables that find whatever the dictionary has: with the usual ones a third is found. */
const params = {
  [constants.ZSTD_c_compressionLevel]: 9,
  [constants.ZSTD_c_windowLog]: 25,
  [constants.ZSTD_c_hashLog]: 24,
  [constants.ZSTD_c_chainLog]: 24,
};

/** Writes what leads from one file to another; gives its length in bytes. */
export function makeDelta(oldPath: string, newPath: string, deltaPath: string): Promise<number> {
  return withFiles([oldPath, 'r'], [newPath, 'r'], [deltaPath, 'w'], async (old, next, out) => {
    const [{ size: oldLength }, { size: newLength }] = [await old.stat(), await next.stat()];
    await out.write(magic);
    let written = magic.length;
    for (let at = 0; at < newLength; at += pieceBytes) {
      const piece = await readExactly(next, at, Math.min(pieceBytes, newLength - at));
      // Around the same place, as far as both files can be laid beside each other.
      const middle = Math.round(((at + piece.length / 2) / newLength) * oldLength);
      const begin = Math.max(0, Math.min(middle - dictionaryBytes / 2, oldLength - dictionaryBytes));
      const dictionary = await readExactly(old, begin, Math.min(dictionaryBytes, oldLength - begin));
      const compressed = await compress(piece, { dictionary, params });
      const head = Buffer.alloc(headBytes);
      head.writeBigUInt64BE(BigInt(begin), 0);
      head.writeUInt32BE(dictionary.length, 8);
      head.writeUInt32BE(piece.length, 12);
      head.writeUInt32BE(compressed.length, 16);
      await out.write(head);
      await out.write(compressed);
      written += headBytes + compressed.length;
    }
    return written;
  });
}

/**
 * Writes the new file. What it comes to has to be compared with its digest: this checks only that no more is read and
 * written than there may be. @throws UPDATE_UNTRUSTED when the delta is none, or does not fit the old file
 */
export async function applyDelta(
  oldPath: string,
  deltaPath: string,
  newPath: string,
  newLength: number,
): Promise<void> {
  await withFiles([oldPath, 'r'], [deltaPath, 'r'], [newPath, 'w'], async (old, delta, out) => {
    const { size } = await delta.stat();
    if (!(await readExactly(delta, 0, magic.length)).equals(magic)) throw unfit('it does not begin as one');
    let written = 0;
    for (let at = magic.length; at < size; ) {
      const head = await readExactly(delta, at, headBytes);
      const begin = Number(head.readBigUInt64BE(0));
      const [length, piece, compressed] = [
        head.readUInt32BE(8),
        head.readUInt32BE(12),
        head.readUInt32BE(16),
      ];
      if (length > dictionaryBytes || piece > pieceBytes || compressed > longestCompressed || piece === 0) {
        throw unfit('a piece is too large');
      }
      if (written + piece > newLength) throw unfit('it gives more than was signed');
      const dictionary = await readExactly(old, begin, length);
      const body = await readExactly(delta, at + headBytes, compressed);
      const made = await decompress(body, { dictionary, maxOutputLength: piece }).catch((cause: unknown) => {
        throw unfit('a piece cannot be decompressed', cause);
      });
      await out.write(made);
      written += made.length;
      at += headBytes + compressed;
    }
  });
}

type Opened = readonly [path: string, flags: 'r' | 'w'];

async function withFiles<T>(
  first: Opened,
  second: Opened,
  third: Opened,
  body: (first: FileHandle, second: FileHandle, third: FileHandle) => Promise<T>,
): Promise<T> {
  const opened: FileHandle[] = [];
  const openOne = async ([path, flags]: Opened): Promise<FileHandle> => {
    const file = await open(path, flags, 0o600);
    opened.push(file);
    return file;
  };
  try {
    return await body(await openOne(first), await openOne(second), await openOne(third));
  } finally {
    for (const file of opened) await file.close();
  }
}

/** @throws UPDATE_UNTRUSTED when there is not as much */
async function readExactly(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  for (let got = 0; got < length; ) {
    const { bytesRead } = await file.read(buffer, got, length - got, position + got);
    if (bytesRead === 0) throw unfit('it ends early');
    got += bytesRead;
  }
  return buffer;
}

const unfit = (why: string, cause?: unknown): SallyportError =>
  new SallyportError('UPDATE_UNTRUSTED', {
    message: `the delta does not fit: ${why}`,
    ...(cause !== undefined && { cause }),
  });
