/** Stop strings: neither they nor their beginnings are shown, however the text is cut into pieces. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopStrings } from '../../src/generation/stop-strings.ts';

describe('StopStrings', () => {
  it('holds back what may become a stop string, and shows it when it does not', () => {
    const stop = new StopStrings(['。\n']);
    expect(['春眠', '不觉晓。', '夜来'].map((piece) => stop.push(piece))).toEqual(['春眠', '不觉晓', '。夜来']);
    expect(stop.push('。')).toBe('');
    expect(stop.isStopped).toBe(false);
    expect(stop.end()).toBe('。');
  });

  it('shows nothing from a stop string on', () => {
    const stop = new StopStrings(['END', '完']);
    expect(['abE', 'N', 'Dcd', 'ef'].map((piece) => stop.push(piece))).toEqual(['ab', '', '', '']);
    expect(stop.isStopped).toBe(true);
    expect(stop.end()).toBe('');
  });

  it('ends at the string that is completed first', () => {
    expect(new StopStrings(['abcd', 'bc']).push('xabcd')).toBe('xa');
  });

  it('shows the same text for every cut, and no stop string in it', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 });
    const strings = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(text, strings, fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }), (letters, stops, cuts) => {
        const pieces = [''];
        for (const [i, letter] of letters.entries())
          if (cuts[i]) pieces.push(letter);
          else pieces[pieces.length - 1] += letter;
        const run = (parts: readonly string[]): { shown: string; isStopped: boolean } => {
          const stop = new StopStrings(stops);
          const shown = parts.map((part) => stop.push(part)).join('') + stop.end();
          return { shown, isStopped: stop.isStopped };
        };
        const result = run(pieces);
        expect(result).toEqual(run(letters));
        expect(stops.some((string) => result.shown.includes(string))).toBe(false);
        const whole = letters.join('');
        expect(result.isStopped).toBe(stops.some((string) => whole.includes(string)));
        expect(result.isStopped ? whole.startsWith(result.shown) : result.shown === whole).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
