import { describe, expect, it } from 'vitest';
import { PieceMap } from '../../src/hub/piece-map.ts';

const record = { crc: 1, source: 's' };

describe('PieceMap', () => {
  it('cuts a file into pieces, the last one shorter', () => {
    const pieces = new PieceMap(25, 10);
    expect([pieces.count, pieces.startOf(2), pieces.endOf(2)]).toEqual([3, 20, 25]);
    for (let piece = 0; piece < 3; piece++) pieces.finish(piece, record);
    expect([pieces.doneBytes, pieces.isComplete]).toEqual([25, true]);
  });

  it('gives stretches from the front, several for a small file, and none when all are on their way', () => {
    const pieces = new PieceMap(80, 10, 2);
    const spans = [1, 2, 3, 4].map(() => pieces.claim(() => false)!);
    expect(spans.map(({ first, end }) => [first, end])).toEqual([
      [0, 2],
      [2, 4],
      [4, 6],
      [6, 8],
    ]);
    expect(pieces.claim(() => false)).toBeUndefined();
  });

  it('gives back what a connection did not finish, and nothing twice', () => {
    const pieces = new PieceMap(40, 10);
    const span = pieces.claim()!;
    pieces.finish(span.first, record);
    pieces.release(span);
    expect(pieces.claim()).toMatchObject({ first: 1 });
    pieces.forget(0);
    expect(pieces.doneBytes).toBe(0);
    expect(pieces.claim()).toMatchObject({ first: 0, end: 1 });
  });

  it('shares the end of a long stretch with an idle connection', () => {
    const pieces = new PieceMap(80, 10);
    const span = pieces.claim()!; // of at most half the file
    const second = pieces.claim()!;
    expect([span.end, second.end]).toEqual([4, 8]);
    const shared = pieces.claim()!;
    expect(shared).toMatchObject({ first: 2, end: 4 });
    expect(span.end).toBe(2);
    expect(pieces.isOwnedBy(2, shared)).toBe(true);
  });

  it('lets a whole-file answer take pieces as they pass', () => {
    const pieces = new PieceMap(40, 10, 2);
    const other = pieces.claim(() => false)!;
    const whole = pieces.claimAll()!;
    expect(whole).toMatchObject({ first: 1, end: 4, isWhole: true });
    pieces.release(other);
    pieces.takePassing(0, whole);
    expect(pieces.isOwnedBy(0, whole)).toBe(true);
  });
});
