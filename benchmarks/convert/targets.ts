/** What conversion must hold: the memory rule for every model, and limits of time and memory for those measured. */
import type { WritableDtype } from '../../src/convert/dtypes.ts';
import type { PresetName } from '../checkpoints/presets.ts';

export interface Target {
  readonly seconds?: number;
  readonly peakRssBytes?: number;
  readonly writtenBytes?: number;
}

const MB = 1e6;
const small = { seconds: 3, peakRssBytes: 400 * MB };
const large = { seconds: 30, peakRssBytes: 600 * MB };

export const TARGETS: Partial<Record<PresetName, Partial<Record<WritableDtype, Target>>>> = {
  'bert-110m': { fp32: small, fp16: small, int8: small, int4: small },
  'gpt2-110m': { fp32: small, fp16: small, int8: small, int4: small },
  'erlangshen-1.3b': { fp32: { ...large, seconds: 25 }, int8: large, int4: large },
  'wenzhong-3.5b': { int4: { seconds: 90, peakRssBytes: 1500 * MB, writtenBytes: 2300 * MB } },
};

/** 1.5 × the largest tensor in float32, and 300 MB. */
export function memoryRule(largestElements: number): number {
  return 1.5 * 4 * largestElements + 300 * MB;
}
