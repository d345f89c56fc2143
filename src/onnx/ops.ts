/**
 * The operations that architectures are written in, each with the shape it gives. x is (B, T, H) unless said.
 * Sources: onnx/docs/Operators.md (opset 21) and onnxruntime/docs/ContribOperators.md.
 */
import { type Dimension, type Graph, MICROSOFT, type Value } from './graph.ts';

/** a + b, of the shape of a. */
export function add(graph: Graph, address: string, a: Value, b: Value): Value {
  return graph.op(`${address}/Add`, 'Add', [a, b], a.shape);
}

/** LayerNorm over the last dimension with `prefix`.weight and `prefix`.bias. */
export function layerNorm(graph: Graph, address: string, x: Value, prefix: string, epsilon: number): Value {
  const size = x.shape.at(-1) as number;
  const scale = graph.tensor(`${prefix}.weight`, [size]);
  const bias = graph.tensor(`${prefix}.bias`, [size]);
  return graph.op(`${address}/LayerNormalization`, 'LayerNormalization', [x, scale, bias], x.shape, {
    attributes: { axis: -1, epsilon: { float: epsilon } },
  });
}

/**
 * The residual step of a block:
 *
 *   update ─┐
 *   bias ───┼─ + ─┬─► sum                (the residual stream)
 *   stream ─┘     └─► LayerNorm ─► normed
 *
 * Not SkipLayerNormalization, which is all of it in one operator: its CPU kernel takes about twice as long
 * (benchmarks/README.md, Operators).
 */
export function addAndNorm(
  graph: Graph,
  address: string,
  update: Value,
  updateBias: Value,
  stream: Value,
  normPrefix: string,
  epsilon: number,
): { normed: Value; sum: Value } {
  const sum = add(graph, `${address}/residual`, add(graph, `${address}/bias`, update, updateBias), stream);
  return { normed: layerNorm(graph, address, sum, normPrefix, epsilon), sum };
}

/** The activations of config.json's hidden_act that the models here use. */
export const ACTIVATIONS = {
  /** 0.5x(1 + erf(x/√2)) */
  gelu: { biased: 'BiasGelu' },
  /** 0.5x(1 + tanh(√(2/π)(x + 0.044715x³))) */
  gelu_new: { biased: 'FastGelu' },
  /** the same formula under other names in the wild */
  gelu_fast: { biased: 'FastGelu' },
  gelu_pytorch_tanh: { biased: 'FastGelu' },
} as const;

export type Activation = keyof typeof ACTIVATIONS;

/** activation(x + bias). */
export function biasedActivation(graph: Graph, address: string, x: Value, bias: Value, activation: Activation): Value {
  const op = ACTIVATIONS[activation].biased;
  return graph.op(`${address}/${op}`, op, [x, bias], x.shape, { domain: MICROSOFT });
}

/**
 * Multi-head attention over projected q, k, v (B, T, H), without masks but for `bias`, which is added to the
 * scores (B|1, N|1, T, T). `projectionBias` is the bias of q | k | v, 3H; k and v may be (B, N, T, d) instead, then
 * T is their own length. Scores are scaled by 1/√d unless `scale` says otherwise. → (B, T, H)
 */
export function multiHeadAttention(
  graph: Graph,
  address: string,
  [q, k, v]: readonly [Value, Value, Value],
  options: { numHeads: number; bias: Value; projectionBias?: Value; scale?: number },
): Value {
  const inputs = [q, k, v, options.projectionBias, undefined, options.bias];
  return graph.op(`${address}/MultiHeadAttention`, 'MultiHeadAttention', inputs, q.shape, {
    domain: MICROSOFT,
    attributes: {
      num_heads: options.numHeads,
      ...(options.scale !== undefined && { scale: { float: options.scale } }),
    },
  });
}

/**
 * 0 where attention_mask (B, T) is 1, the lowest float32 where it is 0, for every query: (B, 1, T, T). `pairs`
 * (B|1, T|1, T|1) of queries and keys narrows it: 0 where that is 0, too.
 * A bias and not MultiHeadAttention's key_padding_mask, which the WebGPU provider lacks.
 */
export function paddingBias(graph: Graph, address: string, mask: Value, pairs?: Value): Value {
  const [batch, length] = mask.shape as [Dimension, Dimension];
  const asFloat = (at: string, x: Value): Value =>
    graph.op(`${at}/Cast`, 'Cast', [x], x.shape, { dtype: 'float32', attributes: { to: 1 } });
  const keys = graph.op(
    `${address}/Unsqueeze`,
    'Unsqueeze',
    [asFloat(address, mask), graph.integers([1, 2])],
    [batch, 1, 1, length],
  );
  const kept = pairs ? keptPairs(graph, address, keys, asFloat(`${address}/pairs`, pairs)) : keys;
  const dropped = graph.op(`${address}/Sub`, 'Sub', [graph.scalar(1), kept], kept.shape);
  const penalty = graph.op(`${address}/Mul`, 'Mul', [dropped, graph.scalar(LOWEST_FLOAT32)], kept.shape);
  const sizes = [
    sizeOf(graph, `${address}/batch`, mask, 0),
    graph.integers([1]),
    sizeOf(graph, `${address}/length`, mask, 1),
  ];
  // (B, 1, 1|T, T) expanded by [B, 1, T, 1]: both broadcast to (B, 1, T, T)
  const target = graph.op(`${address}/Concat`, 'Concat', [...sizes, graph.integers([1])], [4], {
    attributes: { axis: 0 },
  });
  return graph.op(`${address}/Expand`, 'Expand', [penalty, target], [batch, 1, length, length]);
}

/** keys (B, 1, 1, T) · pairs (B|1, T|1, T|1): (B, 1, T|1, T). Where pairs has its default, of one number, nothing grows. */
function keptPairs(graph: Graph, address: string, keys: Value, pairs: Value): Value {
  const [batch, , , length] = keys.shape as [Dimension, number, number, Dimension];
  const [pairBatch, queries, pairKeys] = pairs.shape as [Dimension, Dimension, Dimension];
  const at = `${address}/pairs`;
  const heads = graph.op(
    `${at}/Unsqueeze`,
    'Unsqueeze',
    [pairs, graph.integers([1])],
    [pairBatch, 1, queries, pairKeys],
  );
  return graph.op(`${at}/Mul`, 'Mul', [keys, heads], [batch, 1, queries, length]);
}

/** One size of x as an int64 [1]. */
export function sizeOf(graph: Graph, address: string, x: Value, axis: number): Value {
  return graph.op(`${address}/Shape`, 'Shape', [x], [1], {
    dtype: 'int64',
    attributes: { start: axis, end: axis + 1 },
  });
}

/** softmax of anything plus this is exactly 0; finite, since (-∞) + (+∞) would be NaN. */
export const LOWEST_FLOAT32 = -3.4028234663852886e38;

/** The vectors at the first position: (B, T, H) → (B, H). */
export function firstToken(graph: Graph, address: string, x: Value): Value {
  return graph.op(`${address}/Gather`, 'Gather', [x, graph.integers([0], [])], [x.shape[0]!, x.shape[2]!], {
    attributes: { axis: 1 },
  });
}

/**
 * Rotary positions over interleaved pairs: with angle a = position · theta_i,
 *
 *   y[2i] = x[2i] cos a − x[2i+1] sin a        y[2i+1] = x[2i+1] cos a + x[2i] sin a
 *
 * `positions` is (T, 1) or (B, T, 1), `angles` (1, d/2). The result turns q or k, (B, T, N·d) → (B, T, N·d). Built of elementary
 * operators: it holds for every head size and length, and is exact in float32.
 */
export function interleavedRotation(
  graph: Graph,
  positions: Value,
  angles: Value,
  numHeads: number,
  headSize: number,
): (address: string, x: Value) => Value {
  const half = headSize / 2;
  return (address, x) => {
    const at = `${address}/rope`;
    const [B, T, H] = x.shape as [Dimension, Dimension, number];
    const outer = positions.shape.slice(0, -1);
    const angle = graph.op(`${at}/angle/Mul`, 'Mul', [positions, angles], [...outer, half]);
    // (…, T, d/2) → (…, T, 1, d/2), to stand beside (B, T, N, d/2)
    const spread = graph.op(
      `${at}/angle/Unsqueeze`,
      'Unsqueeze',
      [angle, graph.integers([outer.length])],
      [...outer, 1, half],
    );
    const cos = graph.op(`${at}/Cos`, 'Cos', [spread], spread.shape);
    const sin = graph.op(`${at}/Sin`, 'Sin', [spread], spread.shape);
    const pairs = graph.op(
      `${at}/pairs/Reshape`,
      'Reshape',
      [x, graph.integers([0, 0, numHeads, half, 2])],
      [B, T, numHeads, half, 2],
    );
    const side = (i: number, name: string): Value =>
      graph.op(`${at}/${name}/Gather`, 'Gather', [pairs, graph.integers([i], [])], [B, T, numHeads, half], {
        attributes: { axis: 4 },
      });
    const [even, odd] = [side(0, 'even'), side(1, 'odd')];
    const shape = even.shape;
    const times = (a: Value, b: Value, name: string): Value => graph.op(`${at}/${name}/Mul`, 'Mul', [a, b], shape);
    const first = graph.op(`${at}/even/Sub`, 'Sub', [times(even, cos, 'even/cos'), times(odd, sin, 'odd/sin')], shape);
    const second = graph.op(`${at}/odd/Add`, 'Add', [times(odd, cos, 'odd/cos'), times(even, sin, 'even/sin')], shape);
    const column = (y: Value, name: string): Value =>
      graph.op(`${at}/${name}/Unsqueeze`, 'Unsqueeze', [y, graph.integers([4])], [...shape, 1]);
    const joined = graph.op(`${at}/Concat`, 'Concat', [column(first, 'even'), column(second, 'odd')], [...shape, 2], {
      attributes: { axis: 4 },
    });
    return graph.op(`${at}/Reshape`, 'Reshape', [joined, graph.integers([0, 0, H])], [B, T, H]);
  };
}

/** An int64 [1] as a scalar. */
export function scalarOf(graph: Graph, address: string, x: Value): Value {
  return graph.op(`${address}/Squeeze`, 'Squeeze', [x, graph.integers([0])], []);
}

/** x / √(mean(x²) + eps) · scale with `prefix`.weight (RMSNorm), in operators that every client knows. */
export function rmsNorm(graph: Graph, address: string, x: Value, prefix: string, epsilon: number): Value {
  const size = x.shape.at(-1) as number;
  const rows = [...x.shape.slice(0, -1), 1];
  const squares = graph.op(`${address}/Pow`, 'Pow', [x, graph.scalar(2)], x.shape);
  const mean = graph.op(`${address}/ReduceMean`, 'ReduceMean', [squares, graph.integers([-1])], rows);
  const root = graph.op(
    `${address}/Sqrt`,
    'Sqrt',
    [graph.op(`${address}/Add`, 'Add', [mean, graph.scalar(epsilon)], rows)],
    rows,
  );
  const scaled = graph.op(`${address}/Div`, 'Div', [x, root], x.shape);
  return graph.op(`${address}/Mul`, 'Mul', [graph.tensor(`${prefix}.weight`, [size]), scaled], x.shape);
}

/** As addAndNorm with RMSNorm, and without a bias. */
export function addAndRmsNorm(
  graph: Graph,
  address: string,
  update: Value,
  stream: Value,
  normPrefix: string,
  epsilon: number,
): { normed: Value; sum: Value } {
  const size = stream.shape.at(-1) as number;
  const op = `${address}/SkipSimplifiedLayerNormalization`;
  const outputs = [
    [`${op}:0`, 'float32', stream.shape],
    ['', 'float32', []],
    ['', 'float32', []],
    [`${op}:3`, 'float32', stream.shape],
  ] as const;
  const inputs = [update, stream, graph.tensor(`${normPrefix}.weight`, [size])];
  const [normed, , , sum] = graph.node(op, 'SkipSimplifiedLayerNormalization', inputs, outputs, {
    domain: MICROSOFT,
    attributes: { epsilon: { float: epsilon } },
  });
  return { normed: normed!, sum: sum! };
}
