import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeWithOutliers } from '../../benchmarks/quantisation/outliers.ts';
import { tokenizerFiles } from '../../src/cli/tokenizer-files.ts';
import { convertCheckpoint } from '../../src/convert/convert.ts';
import { multiplyColumns, SmoothingFactors, smoothGraph } from '../../src/convert/smoothing.ts';
import { collectLogits, compareLogits, planFidelity } from '../../src/evaluation/fidelity.ts';
import { Graph, type MatrixFormat } from '../../src/onnx/graph.ts';
import { layerNorm } from '../../src/onnx/ops.ts';
import { linear } from '../../src/onnx/products.ts';
import { requireProbes, runProbes } from '../../src/pipelines/check-model.ts';
import { openRunnable } from '../../src/pipelines/runnable.ts';
import { contiguousStrides, type LazyTensor } from '../../src/tensor/lazy-tensor.ts';
import { convertMini } from '../helpers/minis.ts';
import { scratchFolder } from '../helpers/scratch.ts';

const scratch = scratchFolder('smoothing');
const NORM = { norm: 'ln', readers: ['a', 'b'] };

function tensor(name: string, shape: number[], values: number[]): [string, LazyTensor] {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  const source = {
    name: 'test.bin',
    sizeBytes: bytes.length,
    readInto: async (target: Uint8Array, offset: number) => target.set(bytes.subarray(offset, offset + target.length)),
  };
  const storage = { key: name, dtype: 'float32', elementCount: values.length, source } as const;
  return [name, { name, dtype: 'float32', shape, strides: contiguousStrides(shape), offset: 0, storage }];
}

/** ln → a, b */
function layer(matrices: ReadonlyMap<string, MatrixFormat> = new Map()): Graph {
  const graph = new Graph('layer', { linear: { kind: 'columns' }, matrices });
  const x = layerNorm(graph, '/ln', graph.input('x', 'float32', [1, 2]), 'ln', 1e-5);
  for (const name of NORM.readers)
    graph.output(`out/${name}`, linear(graph, `/${name}`, x, { tensors: [name], inFeatures: 2, outFeatures: 2 }));
  return graph;
}

describe('smoothing', () => {
  it('takes from the norm what it gives to the columns of all its readers', async () => {
    const tensors = new Map([
      tensor('ln.weight', [2], [48, 0]),
      tensor('ln.bias', [2], [0, 0]),
      tensor('a', [2, 2], [1, 2, 0, 3]),
      tensor('b', [2, 2], [-9, 1, 2, 1]),
    ]);
    const smoothing = new SmoothingFactors(tensors);
    const factors = await smoothing.of(NORM);
    expect([...factors]).toEqual([4, 1]); // √(3 · 48 ÷ 9); a channel that is always 0 stays
    expect([...(await smoothing.divided('ln.weight', NORM))]).toEqual([12, 0]);
    const rows = Float32Array.of(1, 2, 0, 3);
    multiplyColumns(rows, factors);
    expect([...rows]).toEqual([4, 2, 0, 3]);
  });

  it('is for norms whose readers are all quantised', () => {
    const kinds = (graph: Graph): string[] => {
      smoothGraph(graph, [NORM]);
      return ['ln.weight', 'ln.bias'].map((name) => graph.weights.get(name)!.source.kind);
    };
    expect(kinds(layer())).toEqual(['smoothed', 'smoothed']);
    expect(kinds(layer(new Map([['b', 'float32']])))).toEqual(['checkpoint', 'checkpoint']);
  });

  it('keeps an encoder with outlier channels as good as one without', async () => {
    await convertMini(scratch, 'erlangshen-mini');
    const checkpoint = path.join(scratch, 'outliers');
    await writeWithOutliers(path.join(scratch, 'erlangshen-mini'), checkpoint);
    const folderOf = async (dtype: 'fp32' | 'int8' | 'int4'): Promise<string> => {
      const folder = path.join(scratch, `outliers-${dtype}`);
      const tokenizer = (plan: Parameters<typeof tokenizerFiles>[1]) => tokenizerFiles(checkpoint, plan);
      const manifest = await convertCheckpoint(checkpoint, folder, { dtype, tokenizer });
      requireProbes(await runProbes(folder, manifest), dtype);
      return folder;
    };
    const lines = readFileSync('models/poet/test.json', 'utf8').split('\n').slice(0, 40);
    const texts = lines.map((line) => (JSON.parse(line) as { sentence: string }).sentence);
    const float = await openRunnable(await folderOf('fp32'));
    const plan = planFidelity(float, texts);
    const reference = await collectLogits(float, plan);
    await float.dispose();
    // without smoothing: int8 fails its probe, int4 has 0.15
    for (const [dtype, most] of [
      ['int8', 2e-3],
      ['int4', 0.04],
    ] as const) {
      const model = await openRunnable(await folderOf(dtype));
      const { kl } = compareLogits(plan, reference, await collectLogits(model, plan));
      await model.dispose();
      expect({ dtype, kl: kl < most }).toEqual({ dtype, kl: true });
    }
  });
});
