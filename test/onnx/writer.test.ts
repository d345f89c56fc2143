import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Graph } from '../../src/onnx/graph.ts';
import { dense } from '../../src/onnx/products.ts';
import { decodeModel } from '../../src/onnx/proto.ts';
import { summarizeGraph } from '../../src/onnx/summary.ts';
import { WeightFile, writeGraph } from '../../src/onnx/writer.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'fsb-onnx-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function* chunksOf(...parts: Float32Array[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield new Uint8Array(part.buffer);
}

async function writeSmall(): Promise<string> {
  const graph = new Graph('small');
  const x = graph.input('x', 'float32', ['batch_size', 3]);
  graph.output('y', dense(graph, '/layer', x, 'layer', 3, 2));
  const weights = await WeightFile.create(path.join(folder, 'small.onnx_data'));
  for (const weight of graph.weights.values())
    await weights.append(
      weight,
      chunksOf(new Float32Array(weight.shape.reduce((n, d) => n * d, 1)).fill(weight.shape.length)),
    );
  await weights.finish();
  const file = path.join(folder, 'small.onnx');
  await writeGraph(graph, file, weights, '1.2.3', { architecture: 'test' });
  return file;
}

describe('writeGraph', () => {
  it('writes addresses, shapes and external weights that can be read back', async () => {
    const model = decodeModel(await readFile(await writeSmall()));
    expect(model.graph.node.map(({ name, opType }) => [name, opType])).toEqual([
      ['/layer/MatMul', 'MatMul'],
      ['/layer/Add', 'Add'],
      ['/output/y', 'Identity'],
    ]);
    expect(
      model.graph.initializer.map(({ name, dims, externalData }) => [
        name,
        dims,
        externalData?.map(({ value }) => value),
      ]),
    ).toEqual([
      ['layer.weight', [3, 2], ['small.onnx_data', '0', '24']],
      ['layer.bias', [2], ['small.onnx_data', '4096', '8']],
    ]);
    expect(model.graph.valueInfo.map(({ name }) => name)).toEqual(['/layer/MatMul:0', '/layer/Add:0']);
    expect(model.metadataProps).toEqual([{ key: 'architecture', value: 'test' }]);
  });

  it('is summarised for people', async () => {
    const summary = await summarizeGraph(await writeSmall());
    expect(summary.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: ['batch_size', 3] }]);
    expect(summary.outputs).toEqual([{ name: 'y', dtype: 'float32', shape: ['batch_size', 2] }]);
    expect(summary.operators).toEqual({ MatMul: 1, Add: 1, Identity: 1 });
    expect(summary.producer).toBe('fsb 1.2.3');
    expect(summary.opsets).toEqual({ 'ai.onnx': 21, 'com.microsoft': 1 });
    expect(summary.initializers[0]?.external).toEqual({ location: 'small.onnx_data', offset: 0, length: 24 });
  });
});

describe('WeightFile', () => {
  it('starts large weights where they can be mapped, small ones on a page', async () => {
    const file = await WeightFile.create(path.join(folder, 'data'));
    const append = (name: string, size: number): Promise<void> =>
      file.append(
        { name, shape: [size], dtype: 'float32', source: { kind: 'computed', data: new Float32Array() } },
        chunksOf(new Float32Array(size)),
      );
    await append('a', 5);
    await append('b', 5);
    await append('c', 20000);
    await append('d', 1);
    const { sizeBytes } = await file.finish();
    expect([...file.placements]).toEqual([
      ['a', { offset: 0, length: 20 }],
      ['b', { offset: 4096, length: 20 }],
      ['c', { offset: 65536, length: 80000 }],
      ['d', { offset: 147456, length: 4 }],
    ]);
    expect(sizeBytes).toBe(147460);
  });

  it('refuses a weight whose bytes do not add up', async () => {
    const file = await WeightFile.create(path.join(folder, 'data'));
    const weight = {
      name: 'a',
      shape: [3],
      dtype: 'float32',
      source: { kind: 'computed', data: new Float32Array() },
    } as const;
    await expect(file.append(weight, chunksOf(new Float32Array(2)))).rejects.toThrow(
      'weight "a": 12 bytes planned, 8 written',
    );
    await file.abandon();
  });
});

describe('summarizeGraph', () => {
  it('refuses what is no ONNX model', async () => {
    await expect(summarizeGraph(import.meta.filename)).rejects.toMatchObject({ exitCode: 6, code: 'malformed-graph' });
    await expect(summarizeGraph(path.join(folder, 'absent.onnx'))).rejects.toMatchObject({ exitCode: 3 });
  });
});
