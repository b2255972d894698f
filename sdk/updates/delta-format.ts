import { utf8 } from '../../core/channel/bytes.ts';

/**
 * A delta is "SPD1", then the new file piece by piece: where the dictionary begins in the old file (u64), its length,
 * the piece's length, the compressed length (u32 each, big-endian), and the piece compressed by Zstandard (RFC 8878)
 * with that part of the old file as dictionary. Pieces and dictionaries are bounded, and so is memory, however large
 * the files are; what has moved by more than half a dictionary is not found again.
 */
export const magic = utf8('SPD1');
export const headBytes = 20;
export const pieceBytes = 8 * 2 ** 20;
export const dictionaryBytes = 16 * 2 ** 20;
/** Zstandard makes nothing longer by more than this. */
export const longestCompressed = pieceBytes + 2 ** 16;
