import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bell } from '../../src/hub/bell.ts';
import { DataFile } from '../../src/hub/data-file.ts';
import { Journal } from '../../src/hub/journal.ts';
import { PieceMap, type PieceRecord } from '../../src/hub/piece-map.ts';
import { RunningChecksum } from '../../src/hub/running-checksum.ts';
import { useScratch } from './scratch.ts';

const scratch = useScratch();
const BODY = randomBytes(40);
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

let file: DataFile;
let journal: Journal;
let pieces: PieceMap;
let checksum: RunningChecksum;
const bell = new Bell();
beforeEach(async () => {
  const expected = { sizeBytes: BODY.length };
  pieces = new PieceMap(BODY.length, 10);
  file = await DataFile.open(scratch('f'), false);
  journal = (await Journal.open(scratch('j'), expected, pieces)).journal;
  checksum = new RunningChecksum({ expected, file, pieces, journal, bell });
});
afterEach(async () => {
  await journal.close();
  await file.close();
});

async function put(
  piece: number,
  { bytes = BODY, passes = true, ...record }: Partial<PieceRecord> & { bytes?: Buffer; passes?: boolean } = {},
) {
  const part = bytes.subarray(piece * 10, piece * 10 + 10);
  if (passes) checksum.passing(part, piece * 10);
  await file.write(part, piece * 10);
  pieces.finish(piece, { crc: crc32(part), source: 's', ...record });
  bell.ring();
}

describe('RunningChecksum', () => {
  it('is of bytes that pass in order, and of those that are read back', async () => {
    const found = checksum.finish(new AbortController().signal);
    expect(checksum.isNext(0)).toBe(true);
    await put(0);
    expect(checksum.upTo(10)).toBe(sha256(BODY.subarray(0, 10)));
    await put(2);
    expect(checksum.upTo(30)).toBeUndefined();
    await put(3, { passes: false });
    await put(1);
    expect(await found).toEqual({ sizeBytes: 40, sha256: sha256(BODY) });
  });

  it('starts over when hashed bytes come again', async () => {
    const found = checksum.finish(new AbortController().signal);
    await put(0, { bytes: randomBytes(40) });
    pieces.forget(0);
    for (const piece of [0, 1, 2, 3]) await put(piece);
    expect((await found).sha256).toBe(sha256(BODY));
  });

  it.each(['crc', 'upTo'] as const)(
    'gives back a piece of a former run that is not as recorded (%s)',
    async (proof) => {
      const proven = (piece: number): Partial<PieceRecord> => ({
        ...(proof === 'crc' ? {} : { crc: undefined, upTo: sha256(BODY.subarray(0, piece * 10 + 10)) }),
        isResumed: true,
        source: 's',
      });
      for (const piece of [0, 1, 2, 3]) await put(piece, { ...proven(piece), passes: false });
      await file.write(randomBytes(10), 10);
      const found = checksum.finish(new AbortController().signal);
      while (pieces.record(1)) await bell.wait(20);
      expect([0, 2, 3].every((piece) => pieces.record(piece))).toBe(true);
      await put(1);
      expect((await found).sha256).toBe(sha256(BODY));
    },
  );
});
