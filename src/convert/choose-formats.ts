/**
 * Which matrix gets which format within a budget of quality: all in the smallest that holds it, and of the sensitive ones as
 * few as possible a step larger. What is held is measured on the whole model, never summed up from parts.
 */

/** A matrix with its formats, the smallest first; the last is as good as float32. */
export interface Candidate<F> {
  readonly name: string;
  /** Numbers in it. */
  readonly size: number;
  readonly ladder: readonly F[];
}

export interface Choice<F> {
  readonly name: string;
  readonly format: F;
  /** The measure with this matrix alone in the format below; null where it was not needed. */
  readonly alone: number | null;
}

/** Measures a model in which the named matrices have these formats and all others are float32. 0 is equal to it. */
export type MeasureFormats<F> = (formats: ReadonlyMap<string, F>) => Promise<number>;

/**
 * Finds formats whose measure is at most `limit`. Measurements: one a matrix and step of the ladder, and as many as halving the
 * number of matrices takes.
 */
export async function chooseFormats<F>(
  candidates: readonly Candidate<F>[],
  limit: number,
  measure: MeasureFormats<F>,
): Promise<Choice<F>[]> {
  const steps = Math.max(...candidates.map(({ ladder }) => ladder.length));
  let alone = new Map<string, number>();
  for (let step = 0; step < steps - 1; step++) {
    if ((await measure(formatsOf(candidates, () => step))) <= limit) return choices(candidates, () => step, alone);
    // the last step is float32 by definition; before it all matrices may have to climb together
    const next = step + 1;
    if (next < steps - 1 && (await measure(formatsOf(candidates, () => next))) > limit) continue;
    alone = await measureAlone(candidates, step, measure);
    const order = [...candidates].sort((a, b) => alone.get(b.name)! / b.size - alone.get(a.name)! / a.size);
    const raised = await fewestRaised(order, candidates, step, limit, measure);
    return choices(candidates, ({ name }) => (raised.has(name) ? next : step), alone);
  }
  return choices(candidates, () => steps - 1, alone);
}

// --- internal ---

type StepOf<F> = (candidate: Candidate<F>) => number;

function formatAt<F>({ ladder }: Candidate<F>, step: number): F {
  return ladder[Math.min(step, ladder.length - 1)]!;
}

function formatsOf<F>(candidates: readonly Candidate<F>[], stepOf: StepOf<F>): Map<string, F> {
  return new Map(candidates.map((candidate) => [candidate.name, formatAt(candidate, stepOf(candidate))]));
}

function choices<F>(
  candidates: readonly Candidate<F>[],
  stepOf: StepOf<F>,
  alone: ReadonlyMap<string, number>,
): Choice<F>[] {
  return candidates.map((candidate) => ({
    name: candidate.name,
    format: formatAt(candidate, stepOf(candidate)),
    alone: alone.get(candidate.name) ?? null,
  }));
}

async function measureAlone<F>(
  candidates: readonly Candidate<F>[],
  step: number,
  measure: MeasureFormats<F>,
): Promise<Map<string, number>> {
  const alone = new Map<string, number>();
  for (const candidate of candidates)
    alone.set(candidate.name, await measure(new Map([[candidate.name, formatAt(candidate, step)]])));
  return alone;
}

/** Halves the number of raised matrices, the most sensitive per number first, while the budget holds. */
async function fewestRaised<F>(
  order: readonly Candidate<F>[],
  candidates: readonly Candidate<F>[],
  step: number,
  limit: number,
  measure: MeasureFormats<F>,
): Promise<Set<string>> {
  const firstOf = (count: number): Set<string> => new Set(order.slice(0, count).map(({ name }) => name));
  let [tooFew, enough] = [0, order.length];
  while (enough - tooFew > 1) {
    const count = (tooFew + enough) >> 1;
    const raised = firstOf(count);
    const value = await measure(formatsOf(candidates, ({ name }) => (raised.has(name) ? step + 1 : step)));
    if (value <= limit) enough = count;
    else tooFew = count;
  }
  return firstOf(enough);
}
