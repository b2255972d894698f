import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import { SallyportError } from '../../core/errors/error.ts';
import { dictionaryBytes, headBytes, magic, pieceBytes } from './delta-format.ts';

const compress = promisify(zstdCompress);
/** Tables that find whatever the dictionary has: with the usual ones a third is found. */
const params = {
  [constants.ZSTD_c_compressionLevel]: 9,
  [constants.ZSTD_c_windowLog]: 25,
  [constants.ZSTD_c_hashLog]: 24,
  [constants.ZSTD_c_chainLog]: 24,
};

/** Writes what leads from one file to another; gives its length in bytes. */
export async function makeDelta(oldPath: string, newPath: string, deltaPath: string): Promise<number> {
  await using old = await open(oldPath, 'r');
  await using next = await open(newPath, 'r');
  await using out = await open(deltaPath, 'w', 0o600);
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
}

/** @throws UPDATE_UNTRUSTED when there is not as much: somebody shortened the file meanwhile */
async function readExactly(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  for (let got = 0; got < length; ) {
    const { bytesRead } = await file.read(buffer, got, length - got, position + got);
    if (bytesRead === 0) throw new SallyportError('UPDATE_UNTRUSTED', { message: 'a package ends early' });
    got += bytesRead;
  }
  return buffer;
}
