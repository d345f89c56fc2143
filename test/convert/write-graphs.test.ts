/** What a whole conversion does with numbers that a type cannot hold. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { planModel, readConfig } from '../../src/convert/convert.ts';
import type { WritableDtype } from '../../src/convert/dtypes.ts';
import { writeGraphs } from '../../src/convert/write-graphs.ts';
import { summarizeGraph } from '../../src/onnx/summary.ts';
import { contiguousStrides, type LazyTensor, readFloat32 } from '../../src/tensor/lazy-tensor.ts';
import { scratchFolder } from '../helpers/scratch.ts';

const scratch = scratchFolder('write-graphs');
const FIXTURE = 'test/fixtures/models/megatron-bert-nli-fp32';
const MATRIX = 'encoder.layer.0.output.dense.weight';

/** The fixture's tensor with one number replaced. */
async function withNumber(tensor: LazyTensor, value: number): Promise<LazyTensor> {
  const numbers = await readFloat32(tensor);
  numbers[5] = value;
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  const source = {
    name: 'changed.bin',
    sizeBytes: bytes.length,
    readInto: async (target: Uint8Array, offset: number) => target.set(bytes.subarray(offset, offset + target.length)),
  };
  const storage = { key: 'changed', dtype: 'float32', elementCount: numbers.length, source } as const;
  return { ...tensor, dtype: 'float32', strides: contiguousStrides(tensor.shape), offset: 0, storage };
}

async function convertWith(value: number, dtype: WritableDtype) {
  const checkpoint = await openCheckpoint(FIXTURE);
  try {
    const { plan, tensors } = planModel(checkpoint, await readConfig(checkpoint));
    const changed = new Map(tensors).set(MATRIX, await withNumber(tensors.get(MATRIX)!, value));
    const folder = path.join(scratch, `${dtype}-${value}`);
    mkdirSync(path.join(folder, 'onnx'), { recursive: true });
    const warnings: string[] = [];
    const { graphs } = await writeGraphs(folder, plan, changed, { dtype, onWarning: (text) => warnings.push(text) });
    const { initializers } = await summarizeGraph(path.join(folder, graphs[0]!.file));
    return { warnings, dtypeOf: (name: string) => initializers.find((one) => one.name === name)?.dtype };
  } finally {
    await checkpoint.close();
  }
}

describe('numbers that a type cannot hold', () => {
  it('a matrix beyond float16 stays float32, said aloud, and only that one', async () => {
    const { warnings, dtypeOf } = await convertWith(1e5, 'fp16');
    expect(warnings).toEqual([`kept as float32, since float16 ends at 65504: ${MATRIX}`]);
    expect(dtypeOf(MATRIX)).toBe('float32');
    expect(dtypeOf('encoder.layer.1.output.dense.weight')).toBe('float16');
  });

  it('the largest number of float16 is within', async () => {
    const { warnings, dtypeOf } = await convertWith(-65504, 'fp16');
    expect({ warnings, dtype: dtypeOf(MATRIX) }).toEqual({ warnings: [], dtype: 'float16' });
  });

  it.each(['fp32', 'fp16', 'int8', 'int4'] as const)(
    'NaN and infinity are refused for %s, with the tensor',
    async (dtype) => {
      for (const value of [Number.NaN, Number.NEGATIVE_INFINITY])
        await expect(convertWith(value, dtype)).rejects.toMatchObject({
          exitCode: 6,
          code: 'not-finite',
          message: expect.stringContaining(MATRIX),
        });
    },
  );
});
