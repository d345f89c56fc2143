/**
 * Single operators in the forms that the graphs could have, in turns, for the shapes of the published models: why
 * residual steps are not SkipLayerNormalization, and keys and values not int8.
 *
 *   npx tsx benchmarks/kernels/kernels.ts [--rounds 40] [--threads 2] [--save]
 *
 * `--save` writes results/kernels.json and the table in benchmarks/README.md.
 */
import { parseArgs } from 'node:util';
import { median } from '../../src/bench/statistics.ts';
import { openSession } from '../../src/engine/open-session.ts';
import type { Binding } from '../../src/engine/session.ts';
import type { Tensor } from '../../src/engine/tensor.ts';
import { type Dimension, Graph, MICROSOFT, type Value } from '../../src/onnx/graph.ts';
import { encodeGraph } from '../../src/onnx/writer.ts';
import type { Dtype } from '../../src/tensor/dtype.ts';
import { FSB_VERSION } from '../../src/util/version.ts';
import { markdownTable } from '../report/markdown-table.ts';
import { provenance, updateReadme, writeResults } from '../report/provenance.ts';

interface Candidate {
  readonly name: string;
  readonly graph: Graph;
  /** Bound as they are; a name of an output, too, is updated in place. */
  readonly tensors: Readonly<Record<string, Tensor>>;
}

interface Contest {
  readonly what: string;
  readonly shape: string;
  readonly candidates: readonly Candidate[];
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '40' },
    threads: { type: 'string', default: '2' },
    save: { type: 'boolean', default: false },
  },
});
const [rounds, threads] = [Number(values.rounds), Number(values.threads)];
const machine = provenance();
const contests: Contest[] = [
  ...[
    [2048, 768],
    [1024, 2048],
    [512, 3072],
    [1, 3072],
  ].map(([rows, width]) => ({
    what: 'residual and norm',
    shape: `${rows} × ${width}`,
    candidates: [
      residual('SkipLayerNormalization', rows!, width!),
      residual('Add, Add, LayerNormalization', rows!, width!),
    ],
  })),
  ...[
    [12, 64, 1],
    [12, 64, 512],
    [32, 96, 1],
    [32, 96, 512],
  ].map(([heads, size, tokens]) => ({
    what: `attention, ${heads} heads of ${size}`,
    shape: `${tokens} of 900 tokens`,
    candidates: [attention('float32', heads!, size!, tokens!), attention('int8', heads!, size!, tokens!)],
  })),
];

const rows = [];
for (const contest of contests) {
  const opened = [];
  for (const { name, graph, tensors } of contest.candidates) {
    const session = await openSession(encodeGraph(graph, [], FSB_VERSION), {
      device: 'cpu',
      threads,
      optimization: 'none',
    });
    const binding = session.createBinding();
    for (const input of session.inputNames) binding.input(input, tensors[input]!);
    for (const output of session.outputNames) binding.output(output, tensors[output]!);
    opened.push({ name, session, binding, times: [] as number[] });
  }
  for (let round = -2; round < rounds; round++)
    for (const { binding, times } of opened) {
      const milliseconds = timed(binding);
      if (round >= 0) times.push(milliseconds);
    }
  const [first] = opened;
  for (const { name, times } of opened)
    rows.push({
      what: contest.what,
      shape: contest.shape,
      candidate: name,
      milliseconds: median(times),
      ratio: median(times) / median(first!.times),
    });
  for (const { session } of opened) await session.dispose();
}
const table = markdownTable(
  ['what', 'shape', 'as', 'ms', '× the first'],
  rows.map(({ what, shape, candidate, milliseconds, ratio }) => [
    what,
    shape,
    candidate,
    milliseconds.toFixed(3),
    ratio.toFixed(2),
  ]),
);
console.log(table);
if (values.save) {
  const file = writeResults('kernels', 'kernels', { benchmark: 'kernels', ...machine, rounds, threads, rows });
  updateReadme(
    'kernels',
    `\`npx tsx benchmarks/kernels/kernels.ts --rounds ${rounds} --threads ${threads}\`: ${machine.cpu}, ${threads} threads, load ${machine.loadBefore.toFixed(1)} before (${machine.date.slice(0, 10)}, ${file})\n\n${table}`,
  );
}

/** Runs on this thread, so that nothing but the operator is in the time. */
function timed(binding: Binding): number {
  const begun = performance.now();
  binding.runSync();
  return performance.now() - begun;
}

/** norm(update + bias + stream) */
function residual(name: string, rows: number, width: number): Candidate {
  const graph = new Graph('residual');
  const [update, stream] = ['update', 'stream'].map((input) => graph.input(input, 'float32', [1, rows, width]));
  const [weight, shift, bias] = ['weight', 'shift', 'bias'].map((vector) => constant(graph, vector, width));
  const attributes = { epsilon: { float: 1e-5 } };
  if (name === 'SkipLayerNormalization') {
    const inputs = [update, stream, weight, shift, bias];
    graph.output('y', graph.op('/skip', name, inputs, update!.shape, { domain: MICROSOFT, attributes }));
  } else {
    const biased = graph.op('/bias', 'Add', [update, bias], update!.shape);
    const sum = graph.op('/sum', 'Add', [biased, stream], update!.shape);
    const norm = graph.op('/norm', 'LayerNormalization', [sum, weight, shift], update!.shape, {
      attributes: { ...attributes, axis: -1 },
    });
    graph.output('y', norm);
  }
  const shape = [1, rows, width];
  return {
    name,
    graph,
    tensors: { update: numbers(shape), stream: numbers(shape), y: numbers(shape) },
  };
}

/** The last `tokens` of 900, over keys and values that are updated in place; int8 with a scale per channel. */
function attention(cache: 'float32' | 'int8', heads: number, size: number, tokens: number): Candidate {
  const total = 900;
  const graph = new Graph('attention');
  const qkv = graph.input('qkv', 'float32', [1, tokens, 3 * heads * size]);
  const shape = [1, heads, total, size];
  const past = ['key', 'value'].map((kind) => graph.input(`past_${kind}`, cache, shape));
  const last = graph.input('last', 'int32', [1]);
  const length = graph.input('length', 'int32', []);
  const scales = ['key', 'value'].map((kind) => constant(graph, `${kind}_scale`, heads * size, [1, heads, 1, size]));
  const optional = Array.from({ length: 5 }, () => undefined);
  const inputs = [qkv, undefined, undefined, ...past, last, length, ...optional, ...(cache === 'int8' ? scales : [])];
  const outputs = [
    ['y', 'float32', [1, tokens, heads * size]],
    ['present_key', cache, shape],
    ['present_value', cache, shape],
  ] as const;
  const type =
    cache === 'int8' ? { k_quant_type: 'PER_CHANNEL', v_quant_type: 'PER_CHANNEL', kv_cache_bit_width: 8 } : {};
  const values = graph.node('/attention', 'GroupQueryAttention', inputs, outputs, {
    domain: MICROSOFT,
    attributes: { num_heads: heads, kv_num_heads: heads, ...type },
  });
  for (const value of values) graph.outputs.push(value);
  const [key, value] = [0, 1].map(() => (cache === 'int8' ? codes(shape) : numbers(shape)));
  return {
    name: `${cache} cache`,
    graph,
    tensors: {
      qkv: numbers([1, tokens, 3 * heads * size]),
      ...{ past_key: key!, present_key: key!, past_value: value!, present_value: value! },
      last: { dtype: 'int32', shape: [1], data: Int32Array.of(total - 1) },
      length: { dtype: 'int32', shape: [], data: Int32Array.of(total) },
      y: numbers([1, tokens, heads * size]),
    },
  };
}

function constant(graph: Graph, name: string, size: number, shape: readonly Dimension[] = [size]): Value {
  const bytes = new Uint8Array(new Float32Array(size).fill(0.01).buffer);
  graph.constants.set(name, { name, dtype: 'float32' as Dtype, shape: shape as readonly number[], bytes });
  return { name, dtype: 'float32', shape };
}

function numbers(shape: readonly number[]): Tensor {
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 31) % 255) / 255 - 0.5);
  return { dtype: 'float32', shape, data };
}

function codes(shape: readonly number[]): Tensor {
  return {
    dtype: 'int8',
    shape,
    data: Int8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i * 31) % 127),
  };
}
