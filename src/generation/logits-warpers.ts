/**
 * Which tokens stay when sampling: each warper changes logits in place, removed ones to −∞, by the formulas and in the
 * order of transformers.generation.logits_process (v4.57).
 */
import { logSumExp } from '../tensor/math.ts';
import type { GenerationSettings } from './options.ts';

export type LogitsWarper = (logits: Float32Array) => void;

const REMOVED = Number.NEGATIVE_INFINITY;

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
  return (logits) => {
    for (let i = 0; i < logits.length; i++) logits[i]! /= temperature;
  };
}

/** Keeps the k largest, and what equals the smallest of them (Fan et al., arXiv:1805.04833). */
export function keepTopK(k: number): LogitsWarper {
  return (logits) => {
    if (k >= logits.length) return;
    const least = Float32Array.from(logits).sort()[logits.length - k]!;
    for (let i = 0; i < logits.length; i++) if (logits[i]! < least) logits[i] = REMOVED;
  };
}

/** Removes the unlikeliest tokens that together have at most 1 − p (Holtzman et al., arXiv:1904.09751). */
export function keepTopP(p: number): LogitsWarper {
  return (logits) => {
    const total = logSumExp(logits);
    const ascending = indicesBy(logits, (i) => logits[i]!);
    let sum = 0;
    for (const i of ascending.slice(0, -1)) {
      sum += Math.exp(logits[i]! - total);
      if (sum > 1 - p) break;
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
    const least = p * Math.exp(most - total);
    for (let i = 0; i < logits.length; i++)
      if (logits[i]! < most && Math.exp(logits[i]! - total) < least) logits[i] = REMOVED;
  };
}

/** Keeps the tokens whose surprise is nearest to the expected one, up to the mass p (Meister et al., arXiv:2202.00666). */
export function keepTypical(p: number): LogitsWarper {
  return (logits) => {
    const total = logSumExp(logits);
    const probability = (i: number): number => Math.exp(logits[i]! - total);
    let entropy = 0;
    for (let i = 0; i < logits.length; i++) if (logits[i] !== REMOVED) entropy -= (logits[i]! - total) * probability(i);
    const strangeness = (i: number): number => Math.abs(total - logits[i]! - entropy);
    const ascending = indicesBy(logits, strangeness);
    let sum = 0;
    let last = 0;
    while (last < ascending.length - 1) {
      sum += probability(ascending[last]!);
      if (sum >= p) break;
      last++;
    }
    const limit = strangeness(ascending[last]!);
    for (const i of ascending.slice(1)) if (strangeness(i) > limit) logits[i] = REMOVED;
  };
}

// --- internal ---

/** Indices by ascending key; equal ones in order of index. */
function indicesBy(logits: Float32Array, key: (i: number) => number): number[] {
  const keys = Float64Array.from(logits, (_, i) => key(i));
  return Array.from(logits, (_, i) => i).sort((a, b) => keys[a]! - keys[b]! || a - b);
}
