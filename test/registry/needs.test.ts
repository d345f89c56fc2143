/** Predictions against what processes took: peak RSS on Linux x64 with ONNX Runtime 1.30, models with random weights. */
import { describe, expect, it } from 'vitest';
import { needsOf } from '../../src/registry/needs.ts';

const MODELS = {
  'bert-110m': { workload: 'encoder', parameters: 102.3e6, embeddingRows: 21128, hiddenSize: 768, decoderLayers: 0 },
  'erlangshen-1.3b': {
    workload: 'encoder',
    parameters: 1261.6e6,
    embeddingRows: 21248,
    hiddenSize: 2048,
    decoderLayers: 0,
  },
  'gpt2-110m': { workload: 'decoder', parameters: 125.2e6, embeddingRows: 50304, hiddenSize: 768, decoderLayers: 12 },
  'wenzhong-3.5b': {
    workload: 'decoder',
    parameters: 3556.3e6,
    embeddingRows: 50304,
    hiddenSize: 3072,
    decoderLayers: 30,
  },
} as const;

/** [model, dtype, tokens in the context, MB]: encoders with one row, decoders after a prompt of 128. */
const MEASURED = [
  ['bert-110m', 'fp32', 512, 556],
  ['bert-110m', 'fp16', 512, 588],
  ['bert-110m', 'int8', 512, 267],
  ['bert-110m', 'int4', 512, 263],
  ['erlangshen-1.3b', 'fp32', 512, 5400],
  ['erlangshen-1.3b', 'fp16', 512, 5334],
  ['erlangshen-1.3b', 'int8', 512, 1576],
  ['erlangshen-1.3b', 'int4', 512, 1439],
  ['gpt2-110m', 'fp32', 192, 767],
  ['gpt2-110m', 'fp16', 192, 751],
  ['gpt2-110m', 'int8', 144, 294],
  ['gpt2-110m', 'int4', 144, 256],
  ['wenzhong-3.5b', 'int8', 144, 4072],
  ['wenzhong-3.5b', 'int4', 144, 2788],
] as const;

describe('needsOf', () => {
  it.each(MEASURED)('%s in %s with %i tokens: within 10 %% of %i MB', (name, dtype, positions, megabytes) => {
    const { workload, parameters, ...dimensions } = MODELS[name];
    const need = needsOf({ parameters, workload, dimensions: { ...dimensions, positions } }).find(
      (found) => found.dtype === dtype,
    )!;
    expect(Math.abs(need.memoryBytes / (megabytes * 1e6) - 1)).toBeLessThan(0.1);
  });

  it('counts every number as one of a layer where dimensions are unknown', () => {
    expect(needsOf({ parameters: 100e6, workload: 'decoder' })[0]).toEqual({
      dtype: 'fp32',
      diskBytes: 400e6,
      memoryBytes: 550e6,
    });
  });
});
