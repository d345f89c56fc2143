import { describe, expect, it } from 'vitest';
import { type Candidate, chooseFormats } from '../../src/convert/choose-formats.ts';

type Format = 'small' | 'middle' | 'float';

const candidate = (name: string, size = 100): Candidate<Format> => ({
  name,
  size,
  ladder: ['small', 'middle', 'float'],
});
const candidates = ['a', 'b', 'c', 'd'].map((name) => candidate(name));

/** What each matrix costs in the small format; in the middle one it is a hundredth. Costs add up. */
const COSTS: Readonly<Record<string, number>> = { a: 1, b: 40, c: 2, d: 10 };

function measured() {
  const asked: ReadonlyMap<string, Format>[] = [];
  const measure = async (formats: ReadonlyMap<string, Format>): Promise<number> => {
    asked.push(formats);
    const factor = { small: 1, middle: 0.01, float: 0 };
    return [...formats].reduce((sum, [name, format]) => sum + factor[format] * COSTS[name]!, 0);
  };
  return { asked, measure };
}

const formats = (choices: readonly { name: string; format: Format }[]) => choices.map(({ format }) => format).join(' ');

describe('chooseFormats', () => {
  it('takes the smallest everywhere when that holds, and measures once', async () => {
    const { asked, measure } = measured();
    expect(formats(await chooseFormats(candidates, 53, measure))).toBe('small small small small');
    expect(asked).toHaveLength(1);
  });

  it('raises as few as possible, the most sensitive first', async () => {
    expect(formats(await chooseFormats(candidates, 15, measured().measure))).toBe('small middle small small');
    expect(formats(await chooseFormats(candidates, 3.6, measured().measure))).toBe('small middle small middle');
  });

  it('tells what each costs alone', async () => {
    const choices = await chooseFormats(candidates, 15, measured().measure);
    expect(choices.map(({ alone }) => alone)).toEqual([1, 40, 2, 10]);
  });

  it('weighs sensitivity by size: a small matrix is cheap to raise', async () => {
    const sized = [candidate('b', 10_000), candidate('d', 10)];
    expect(formats(await chooseFormats(sized, 45, measured().measure))).toBe('small middle');
  });

  it('climbs with all when the step above is too coarse as well, and ends in float', async () => {
    expect(formats(await chooseFormats(candidates, 0.2, measured().measure))).toBe('middle float middle middle');
    expect(formats(await chooseFormats(candidates, 1e-9, measured().measure))).toBe('float float float float');
  });
});
