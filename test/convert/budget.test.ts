import { describe, expect, it } from 'vitest';
import { parseBudget } from '../../src/convert/budget.ts';

describe('--budget', () => {
  it('names a measure and a limit', () => {
    expect(parseBudget('kl=0.01')).toEqual({ measure: 'kl', limit: 0.01 });
    expect(parseBudget('accuracy-drop=5e-1')).toEqual({ measure: 'accuracy-drop', limit: 0.5 });
  });

  it.each(['', 'kl', 'kl=', 'kl=0', 'kl=-1', 'kl=x', 'perplexity=1', 'accuracy-drop=0,5'])('refuses "%s"', (value) => {
    expect(() => parseBudget(value)).toThrow('expected kl=NUMBER');
  });
});
