import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { listMatrices } from '../../src/onnx/matrices.ts';
import { convertMini } from '../helpers/minis.ts';
import { scratchFolder } from '../helpers/scratch.ts';

const scratch = scratchFolder('matrices');

describe('matrices of a graph', () => {
  it('of a decoder: four a layer and the output projection, in float32', async () => {
    const folder = await convertMini(scratch, 'wenzhong-mini');
    const matrices = await listMatrices(path.join(folder, 'onnx/model.onnx'));
    expect(matrices).toHaveLength(4 * 4 + 1);
    expect(matrices.at(-1)).toEqual({
      name: 'wte.weight',
      inFeatures: 160,
      outFeatures: 3072,
      sizeBytes: 4 * 160 * 3072,
      arithmetic: 'float32',
      dependsOnIds: true,
    });
  });

  it('in 4 bits a number takes half a byte, and each block of 32 a scale', async () => {
    const folder = await convertMini(scratch, 'wenzhong-mini', 'int4');
    const [first] = await listMatrices(path.join(folder, 'onnx/model_int4.onnx'));
    expect(first).toMatchObject({
      arithmetic: 'int8',
      sizeBytes: first!.inFeatures * first!.outFeatures * (1 / 2 + 4 / 32),
    });
  });

  it('of an encoder-decoder: keys and values of the source do not depend on the ids', async () => {
    const folder = await convertMini(scratch, 'randeng-mini');
    const matrices = await listMatrices(path.join(folder, 'onnx/decoder_model_merged.onnx'));
    expect(matrices.filter(({ dependsOnIds }) => !dependsOnIds)).toHaveLength(2 * 2);
  });
});
