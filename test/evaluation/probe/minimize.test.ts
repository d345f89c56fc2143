import { describe, expect, it } from 'vitest';
import { minimize } from '../../../src/evaluation/probe/minimize.ts';

/** Σ aᵢ (xᵢ − i)² / 2, with curvatures over four decades. */
const bowl = async (x: Float64Array, gradient: Float64Array): Promise<number> => {
  let value = 0;
  for (let i = 0; i < x.length; i++) {
    const a = 10 ** (i % 5);
    gradient[i] = a * (x[i]! - i);
    value += (a * (x[i]! - i) ** 2) / 2;
  }
  return value;
};

describe('L-BFGS', () => {
  it('finds the minimum of a badly scaled bowl, and leaves the start as it is', async () => {
    const start = new Float64Array(20).fill(3);
    const { x, value, converged } = await minimize(bowl, start, { tolerance: 1e-9 });
    expect(converged).toBe(true);
    expect(value).toBeLessThan(1e-15);
    for (const [i, xi] of x.entries()) expect(xi).toBeCloseTo(i, 8);
    expect(start).toEqual(new Float64Array(20).fill(3));
  });

  it('gives the same bits each time', async () => {
    const [a, b] = await Promise.all([0, 1].map(() => minimize(bowl, new Float64Array(50))));
    expect(a).toEqual(b);
  });

  it('says when the iterations did not suffice, and ends at once at a minimum', async () => {
    expect(await minimize(bowl, new Float64Array(20).fill(9), { maxIterations: 2 })).toMatchObject({
      iterations: 2,
      converged: false,
    });
    const minimum = Float64Array.from({ length: 20 }, (_, i) => i);
    expect(await minimize(bowl, minimum)).toMatchObject({ iterations: 0, converged: true });
  });

  it('stops where float64 shows no decrease any more', async () => {
    expect((await minimize(bowl, new Float64Array(20).fill(3), { tolerance: 0 })).converged).toBe(true);
  });
});
