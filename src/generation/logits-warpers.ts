/**
 * Which tokens stay when sampling: each warper changes logits in place, removed ones to −∞, by the formulas and in the
 * order of transformers.generation.logits_process (v4.57). Probabilities, their running sums and the thresholds are
 * rounded to float32 where torch rounds them, so that equal tokens fall on the same side of a threshold.
 */
import { logSumExp, topK } from '../tensor/math.ts';
import type { GenerationSettings } from './options.ts';

export type LogitsWarper = (logits: Float32Array) => void;

const REMOVED = Number.NEGATIVE_INFINITY;
/** Up to here picking the k largest is faster than sorting them all. */
const SMALL_K = 256;
const SIGN = 2 ** 31;
const FULL = 2 ** 32 - 1;
/** 32 bits of key and 21 of index fill a float64's 53; the largest vocabularies have some 250 000 columns. */
const MOST_COLUMNS = 2 ** 21;

/** The warpers that the settings ask for, in transformers' order. */
export function makeWarpers({ temperature, topK, topP, minP, typicalP }: GenerationSettings): LogitsWarper[] {
  const warpers: LogitsWarper[] = [];
  if (temperature !== 1) warpers.push(divideByTemperature(temperature));
  if (topK > 0) warpers.push(keepTopK(topK));
  if (topP < 1) warpers.push(keepTopP(topP));
  if (minP > 0) warpers.push(keepMinP(minP));
  if (typicalP < 1) warpers.push(keepTypical(typicalP));
  return warpers;
}

export function divideByTemperature(temperature: number): LogitsWarper {
  const divisor = Math.fround(temperature);
  return (logits) => {
    for (let i = 0; i < logits.length; i++) logits[i]! /= divisor;
  };
}

/** Keeps the k largest, and what equals the smallest of them (Fan et al., arXiv:1805.04833). */
export function keepTopK(k: number): LogitsWarper {
  return (logits) => {
    if (k >= logits.length) return;
    const least = k <= SMALL_K ? logits[topK(logits, k).at(-1)!]! : logits.slice().sort()[logits.length - k]!;
    for (let i = 0; i < logits.length; i++) if (logits[i]! < least) logits[i] = REMOVED;
  };
}

/** Removes the unlikeliest tokens that together have at most 1 − p (Holtzman et al., arXiv:1904.09751). */
export function keepTopP(p: number): LogitsWarper {
  const most = Math.fround(1 - p);
  return (logits) => {
    const total = logSumExp(logits);
    // tokens so unlikely that all of them together are below 1 − p need no order
    const negligible = total + Math.log((0.99 * (1 - p)) / logits.length);
    let sum = 0;
    for (let i = 0; i < logits.length; i++)
      if (logits[i]! < negligible) {
        sum += probability(logits[i]!, total);
        logits[i] = REMOVED;
      }
    const ascending = remainingBy(logits, (i) => logits[i]!);
    for (const i of ascending.subarray(0, -1)) {
      sum += probability(logits[i]!, total);
      if (Math.fround(sum) > most) break;
      logits[i] = REMOVED;
    }
  };
}

/** Keeps tokens with at least p times the probability of the likeliest (Nguyen et al., arXiv:2407.01082). */
export function keepMinP(p: number): LogitsWarper {
  return (logits) => {
    const total = logSumExp(logits);
    let most = REMOVED;
    for (let i = 0; i < logits.length; i++) most = Math.max(most, logits[i]!);
    const least = Math.fround(Math.fround(p) * probability(most, total));
    for (let i = 0; i < logits.length; i++)
      if (logits[i]! < most && probability(logits[i]!, total) < least) logits[i] = REMOVED;
  };
}

/** Keeps the tokens whose surprise is nearest to the expected one, up to the mass p (Meister et al., arXiv:2202.00666). */
export function keepTypical(p: number): LogitsWarper {
  const mass = Math.fround(p);
  return (logits) => {
    const total = logSumExp(logits);
    const logProbability = (i: number): number => Math.fround(logits[i]! - total);
    let sum = 0;
    for (let i = 0; i < logits.length; i++)
      if (logits[i] !== REMOVED) sum -= logProbability(i) * Math.fround(Math.exp(logProbability(i)));
    const entropy = Math.fround(sum);
    const strangeness = (i: number): number => Math.fround(Math.abs(-logProbability(i) - entropy));
    const ascending = remainingBy(logits, strangeness);
    let last = 0;
    for (let found = 0; last < ascending.length - 1; last++) {
      found += probability(logits[ascending[last]!]!, total);
      if (Math.fround(found) >= mass) break;
    }
    const limit = strangeness(ascending[last]!);
    for (const i of ascending.subarray(1)) if (strangeness(i) > limit) logits[i] = REMOVED;
  };
}

// --- internal ---

const probability = (logit: number, total: number): number => Math.fround(Math.exp(logit - total));

/** Indices of what was not removed, by ascending float32 key; equal ones in order of index. */
function remainingBy(logits: Float32Array, key: (index: number) => number): Uint32Array {
  // a float's bits, turned so that they ascend with it, and below them its index: one sort of plain numbers
  const packed = new Float64Array(logits.length);
  const float = new Float32Array(1);
  const bits = new Uint32Array(float.buffer);
  let count = 0;
  for (let i = 0; i < logits.length; i++) {
    if (logits[i] === REMOVED) continue;
    float[0] = key(i) + 0; // −0 and 0 are equal
    const ordered = bits[0]! >= SIGN ? FULL - bits[0]! : bits[0]! + SIGN;
    packed[count++] = ordered * MOST_COLUMNS + i;
  }
  packed.subarray(0, count).sort();
  const indices = new Uint32Array(count);
  for (let k = 0; k < count; k++) indices[k] = packed[k]! % MOST_COLUMNS;
  return indices;
}
