import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { Journal } from '../../src/hub/journal.ts';
import { PieceMap } from '../../src/hub/piece-map.ts';
import { useScratch } from './scratch.ts';

const scratch = useScratch();
const expected = { sizeBytes: 40, sha256: 'a'.repeat(64) };

async function reopen(more: Partial<typeof expected> = {}) {
  const pieces = new PieceMap(40, 10);
  const { journal, resumed } = await Journal.open(scratch('j'), { ...expected, ...more }, pieces);
  return { journal, resumed, pieces };
}

describe('Journal', () => {
  it('brings back pieces and validators, less what was forgotten', async () => {
    const { journal } = await reopen();
    await journal.piece(0, { crc: 5, source: 's' });
    await journal.piece(1, { crc: 6, source: 's' });
    await journal.forget(1);
    await journal.validator('s', '"v1"');
    await journal.close();
    const again = await reopen();
    expect(again.resumed).toBe(true);
    expect(again.pieces.record(0)).toEqual({ crc: 5, source: 's', isResumed: true });
    expect(again.pieces.record(1)).toBeUndefined();
    expect(again.journal.validators.get('s')).toBe('"v1"');
    await again.journal.close();
  });

  it('loses a line that a kill cut in two, and no other', async () => {
    const { journal } = await reopen();
    await journal.piece(0, { crc: 5, source: 's' });
    await journal.close();
    await appendFile(scratch('j'), '{"piece":1,"cr');
    const second = await reopen();
    await second.journal.piece(2, { crc: 7, source: 's' });
    await second.journal.close();
    const third = await reopen();
    expect([0, 1, 2].map((piece) => third.pieces.record(piece)?.crc)).toEqual([5, undefined, 7]);
    await third.journal.close();
  });

  it.each([
    ['of another file', async () => undefined, { sha256: 'b'.repeat(64) }],
    ['that is no journal', () => writeFile(scratch('j'), 'x'.repeat(100)), {}],
    ['that is empty', () => writeFile(scratch('j'), ''), {}],
  ])('starts over with one %s', async (_what, damage, more) => {
    const { journal } = await reopen();
    await journal.piece(0, { crc: 5, source: 's' });
    await journal.close();
    await damage();
    const again = await reopen(more);
    expect([again.resumed, again.pieces.doneBytes]).toEqual([false, 0]);
    await again.journal.close();
    expect((await readFile(scratch('j'), 'utf8')).split('\n')).toHaveLength(2);
  });
});
