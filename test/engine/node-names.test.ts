import { describe, expect, it } from 'vitest';
import { nodeNames } from '../../src/engine/node-names.ts';
import { attention, embedding } from './graphs.ts';
import { onnxBytes } from './onnx-bytes.ts';

/** A field of protobuf: number, wire type 2. */
const field = (number: number, bytes: Iterable<number>): number[] => {
  const content = [...bytes];
  return [number * 8 + 2, content.length, ...content];
};
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe('nodeNames', () => {
  it('gives the names of nodes of some types, in order', () => {
    const node = (name: string, type: string): number[] => field(1, [...field(3, text(name)), ...field(4, text(type))]);
    const model = Uint8Array.from([
      8, // IR version, a varint
      10,
      ...field(7, [...node('/a', 'MatMul'), ...node('/b', 'Add'), ...node('/c', 'MatMul')]),
    ]);
    expect(nodeNames(model, new Set(['MatMul']))).toEqual(['/a', '/c']);
    expect(nodeNames(model, new Set(['Gemm']))).toEqual([]);
  });

  it('reads whole models, with weights in them', () => {
    expect(nodeNames(embedding, new Set(['Gather']))).toHaveLength(1);
    expect(nodeNames(attention({ heads: 2, headSize: 8 }), new Set(['GroupQueryAttention', 'Gather']))).toHaveLength(1);
    expect(nodeNames(onnxBytes({ nodes: [], inputs: [], outputs: [] }), new Set(['Add']))).toEqual([]);
  });

  it('refuses what is no message', () => {
    for (const bytes of [[0x3a, 5, 1], [0x3a], [0x3f], new Array(12).fill(0xff)])
      expect(() => nodeNames(Uint8Array.from(bytes), new Set(['Add']))).toThrow('no protobuf message');
  });
});
