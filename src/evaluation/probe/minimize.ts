/**
 * L-BFGS (Nocedal & Wright, Numerical Optimization, 2nd ed., algorithms 7.4 and 7.5) for smooth convex functions: no
 * randomness, no step size to choose, and the same numbers wherever float64 is.
 */

/** Pairs of steps and gradient changes that stand for the curvature. */
const HISTORY = 10;
/** Sufficient decrease (Armijo): of the decrease that the slope promises, so much must come true. */
const DECREASE = 1e-4;
/** A search that is halved more often than this has reached the end of float64. */
const MAX_HALVINGS = 40;

/** Writes the gradient at `x` into `gradient` and gives the value. */
export type Objective = (x: Float64Array, gradient: Float64Array) => Promise<number>;

export interface MinimizeOptions {
  /** Largest component of the gradient at which to stop. @default 1e-5 */
  readonly tolerance?: number;
  /** @default 500 */
  readonly maxIterations?: number;
}

export interface Minimum {
  readonly x: Float64Array;
  readonly value: number;
  readonly iterations: number;
  /** False when maxIterations came first. */
  readonly converged: boolean;
}

/** The minimum of a convex function, from `start`, which is left as it is. */
export async function minimize(
  objective: Objective,
  start: Float64Array,
  { tolerance = 1e-5, maxIterations = 500 }: MinimizeOptions = {},
): Promise<Minimum> {
  let x = Float64Array.from(start);
  let gradient = new Float64Array(x.length);
  let value = await objective(x, gradient);
  const history: Pair[] = [];
  for (let iteration = 0; ; iteration++) {
    if (largest(gradient) <= tolerance) return { x, value, iterations: iteration, converged: true };
    if (iteration === maxIterations) return { x, value, iterations: iteration, converged: false };
    const direction = descent(gradient, history);
    const slope = dot(direction, gradient);
    // the first direction is the bare gradient, whose length says nothing of the way to go
    const step = history.length === 0 ? 1 / Math.sqrt(-slope) : 1;
    const found = await search(objective, x, value, direction, slope, step);
    if (!found) return { x, value, iterations: iteration, converged: true };
    remember(history, difference(found.x, x), difference(found.gradient, gradient));
    ({ x, gradient, value } = found);
  }
}

// --- internal ---

interface Pair {
  /** x after − x before */
  readonly step: Float64Array;
  /** gradient after − gradient before */
  readonly change: Float64Array;
  /** 1 / (step · change) */
  readonly scale: number;
}

interface Point {
  readonly x: Float64Array<ArrayBuffer>;
  readonly gradient: Float64Array<ArrayBuffer>;
  readonly value: number;
}

/** The first point along the direction that decreases enough; undefined where float64 shows no decrease any more. */
async function search(
  objective: Objective,
  x: Float64Array,
  value: number,
  direction: Float64Array,
  slope: number,
  first: number,
): Promise<Point | undefined> {
  const gradient = new Float64Array(x.length);
  for (let halvings = 0, step = first; halvings < MAX_HALVINGS; halvings++, step /= 2) {
    const next = x.map((xi, i) => xi + step * direction[i]!) as Float64Array<ArrayBuffer>;
    const found = await objective(next, gradient);
    if (found <= value + DECREASE * step * slope) return { x: next, gradient, value: found };
  }
  return undefined;
}

/** −H·gradient by the two-loop recursion (algorithm 7.4). */
function descent(gradient: Float64Array, history: readonly Pair[]): Float64Array {
  const q = gradient.map((g) => -g);
  const alphas = new Float64Array(history.length);
  for (let k = history.length - 1; k >= 0; k--) {
    const { step, change, scale } = history[k]!;
    alphas[k] = scale * dot(step, q);
    addScaled(q, change, -alphas[k]!);
  }
  const last = history.at(-1);
  if (last) {
    const gamma = 1 / (last.scale * dot(last.change, last.change)); // equation 7.20
    for (let i = 0; i < q.length; i++) q[i]! *= gamma;
  }
  for (const [k, { step, change, scale }] of history.entries()) addScaled(q, step, alphas[k]! - scale * dot(change, q));
  return q;
}

/** Keeps a pair unless its curvature is lost in rounding. */
function remember(history: Pair[], step: Float64Array, change: Float64Array): void {
  const curvature = dot(step, change);
  if (!(curvature > 1e-14 * dot(change, change))) return;
  history.push({ step, change, scale: 1 / curvature });
  if (history.length > HISTORY) history.shift();
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function addScaled(target: Float64Array, x: Float64Array, factor: number): void {
  for (let i = 0; i < target.length; i++) target[i]! += factor * x[i]!;
}

const difference = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, i) => value - b[i]!);

const largest = (x: Float64Array): number => x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
