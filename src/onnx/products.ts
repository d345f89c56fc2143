/**
 * Products with the matrices and tables of a checkpoint, in whatever form the graph's options store them. x is (B, T, H)
 * unless said. Sources: onnxruntime/docs/ContribOperators.md (MatMulNBits, DynamicQuantizeMatMul, GatherBlockQuantized).
 */
import {
  type Dimension,
  type Graph,
  type HeadPadding,
  type MatrixSource,
  MICROSOFT,
  type QuantizedFormat,
  type Value,
} from './graph.ts';
import { add } from './ops.ts';

/** How a checkpoint stores the matrix of a linear layer: torch.nn.Linear [out, in], GPT-2's Conv1D [in, out]. */
export type LinearLayout = 'out-in' | 'in-out';

export interface LinearWeights {
  /** Canonical names of the matrix parts; several are concatenated along the output features. */
  readonly tensors: readonly string[];
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly layout?: LinearLayout;
  /** Zeros after each head, along the input (0) or output (1) features, which count them already. */
  readonly heads?: HeadPadding | undefined;
}

/** x · W without bias: (…, in) → (…, out). Quantised where the graph's options say so. */
export function linear(graph: Graph, address: string, x: Value, weights: LinearWeights): Value {
  const { tensors, inFeatures, outFeatures, layout = 'out-in', heads } = weights;
  const format = graph.formatOf(tensors) ?? graph.options.linear ?? 'float32';
  const name = `${tensors.join('|')}${heads ? `|heads of ${heads.paddedSize}` : ''}`;
  const shape = [...x.shape.slice(0, -1), outFeatures];
  if (format === 'float32' || format === 'float16') return floatMatMul(graph, address, x, name, weights, shape);
  const matrix = { tensors, rows: outFeatures, columns: inFeatures, transposed: layout === 'in-out', heads };
  if (format.kind === 'blocks') {
    const blocks = blockWeights(graph, name, matrix, fitted(format, inFeatures));
    return blockMatMul(graph, address, x, blocks, shape);
  }
  const source = { kind: 'quantized', matrix, format } as const;
  const values = graph.rawWeight({
    name: `${name}|int8`,
    shape: [inFeatures, outFeatures],
    dtype: 'int8',
    source: { ...source, part: 'values' },
  });
  const scales = graph.rawWeight({
    name: `${name}|int8 scales`,
    shape: [outFeatures],
    dtype: 'float32',
    source: { ...source, part: 'scales' },
  });
  return graph.op(`${address}/DynamicQuantizeMatMul`, 'DynamicQuantizeMatMul', [x, values, scales], shape, {
    domain: MICROSOFT,
  });
}

function floatMatMul(
  graph: Graph,
  address: string,
  x: Value,
  name: string,
  weights: LinearWeights,
  shape: readonly Dimension[],
): Value {
  const { tensors, inFeatures, outFeatures, layout = 'out-in', heads } = weights;
  const source = { kind: 'checkpoint', tensors, transpose: layout === 'out-in', heads } as const;
  return graph.op(`${address}/MatMul`, 'MatMul', [x, graph.weight(name, [inFeatures, outFeatures], source)], shape);
}

type BlockFormat = Extract<QuantizedFormat, { kind: 'blocks' }>;

interface BlockWeights {
  /** uint8 [rows, blocks, bytes of a block] */
  readonly values: Value;
  /** float32 [rows, blocks] */
  readonly scales: Value;
  /** uint8 [rows · bytes of a row's codes] */
  readonly zeroPoints: Value | undefined;
  readonly rows: number;
  readonly columns: number;
  readonly format: BlockFormat;
}

/** The integers and scales of a matrix, for MatMulNBits. Layout: ContribOperators.md, MatMulNBits. */
function blockWeights(graph: Graph, name: string, matrix: MatrixSource, format: BlockFormat): BlockWeights {
  const { rows, columns } = matrix;
  const { bits, blockSize } = format;
  const blocks = Math.ceil(columns / blockSize);
  const source = { kind: 'quantized', matrix, format } as const;
  const label = `${name}|${bits} bits`;
  const zeroPoints =
    format.zeroPoints &&
    ({
      name: `${label} zero points`,
      shape: [rows * Math.ceil((blocks * bits) / 8)],
      dtype: 'uint8',
      source: { ...source, part: 'zeroPoints' },
    } as const);
  const values = graph.rawWeight({
    name: label,
    shape: [rows, blocks, (blockSize * bits) / 8],
    dtype: 'uint8',
    source: { ...source, part: 'values' },
  });
  const scales = graph.rawWeight({
    name: `${label} scales`,
    shape: [rows, blocks],
    dtype: 'float32',
    source: { ...source, part: 'scales' },
  });
  return { values, scales, zeroPoints: zeroPoints && graph.rawWeight(zeroPoints), rows, columns, format };
}

const SMALLEST_BLOCK = 32;

/** With smaller blocks where the format's do not fill rows of `columns` numbers. */
function fitted(format: BlockFormat, columns: number): BlockFormat {
  let { blockSize } = format;
  while (blockSize > SMALLEST_BLOCK && columns % blockSize !== 0) blockSize /= 2;
  return { ...format, blockSize };
}

/** Activations are rounded to 8 bits per block, which the integer instructions of CPUs need. */
const ACCURACY_LEVEL = 4;

function blockMatMul(
  graph: Graph,
  address: string,
  x: Value,
  weights: BlockWeights,
  shape: readonly Dimension[],
  bias?: Value,
): Value {
  const { values, scales, zeroPoints, rows, columns, format } = weights;
  return graph.op(`${address}/MatMulNBits`, 'MatMulNBits', [x, values, scales, zeroPoints, undefined, bias], shape, {
    domain: MICROSOFT,
    attributes: {
      K: columns,
      N: rows,
      bits: format.bits,
      block_size: format.blockSize,
      accuracy_level: ACCURACY_LEVEL,
    },
  });
}

/** x · W + b for `prefix`.weight and `prefix`.bias of the checkpoint, never quantised: (…, in) → (…, out). */
export function dense(
  graph: Graph,
  address: string,
  x: Value,
  prefix: string,
  inFeatures: number,
  outFeatures: number,
): Value {
  const weights = { tensors: [`${prefix}.weight`], inFeatures, outFeatures };
  const product = floatMatMul(graph, address, x, `${prefix}.weight`, weights, [...x.shape.slice(0, -1), outFeatures]);
  return add(graph, address, product, graph.tensor(`${prefix}.bias`, [outFeatures]));
}

/** An embedding table [rows, H] of the checkpoint, by its canonical name. */
export interface Table {
  readonly tensor: string;
  readonly rows: number;
  readonly size: number;
}

/** Rows of a table: ids (B, T) → (B, T, H). */
export function embedding(graph: Graph, address: string, table: Table, ids: Value): Value {
  const shape = [...ids.shape, table.size];
  const blocks = tableBlocks(graph, table);
  if (!blocks)
    return graph.partOf(address, table.tensor, [table.rows, table.size], (stored) =>
      graph.op(`${address}/Gather`, 'Gather', [stored, ids], shape),
    );
  const { values, scales, format } = blocks;
  // the bytes of MatMulNBits, seen as one row of numbers per token
  const flat = graph.rawWeight({
    name: `${values.name}, flat`,
    shape: [table.rows, (table.size * format.bits) / 8],
    dtype: 'uint8',
    source: { kind: 'same', as: values.name },
  });
  return graph.op(`${address}/GatherBlockQuantized`, 'GatherBlockQuantized', [flat, ids, scales], shape, {
    domain: MICROSOFT,
    dtype: 'float32',
    attributes: { bits: format.bits, block_size: format.blockSize, gather_axis: 0, quantize_axis: 1 },
  });
}

/** Small tables (positions, types) stay as they are: they are a thousandth of the bytes. */
const SMALLEST_QUANTIZED_ROWS = 2048;

/** The table in blocks, where the graph's options ask for it and its rows fill whole blocks. */
function tableBlocks(graph: Graph, { tensor, rows, size }: Table): BlockWeights | undefined {
  const embedding = graph.formatOf([tensor]) ?? graph.options.embedding;
  if (typeof embedding !== 'object' || embedding.kind !== 'blocks' || rows < SMALLEST_QUANTIZED_ROWS) return undefined;
  const format = fitted(embedding, size);
  if (size % format.blockSize !== 0) return undefined;
  return blockWeights(graph, tensor, { tensors: [tensor], rows, columns: size, transposed: false }, format);
}

/**
 * x · tableᵀ + bias with an embedding table, which is stored once: (B, T, H) → (B, T, rows). The graph's `logitColumns`
 * leave the leading rows of the table; one in blocks is whole always, since its kernel takes constants only.
 */
export function tiedLogits(graph: Graph, address: string, x: Value, table: Table, bias: Value | undefined): Value {
  const [batch, length, hidden] = x.shape as [Dimension, Dimension, number];
  const blocks = tableBlocks(graph, table);
  if (blocks) return blockMatMul(graph, address, x, blocks, [batch, length, table.rows], bias);
  const columns = Math.min(graph.options.logitColumns ?? table.rows, table.rows);
  const leadingRows = (whole: Value, name: string): Value => {
    const range = [graph.integers([0]), graph.integers([columns]), graph.integers([0])];
    return graph.op(`${address}/${name}/Slice`, 'Slice', [whole, ...range], [columns, ...whole.shape.slice(1)]);
  };
  const rows = graph.op(`${address}/rows/Reshape`, 'Reshape', [x, graph.integers([-1, hidden])], ['rows', hidden]);
  const shape = [table.rows, table.size];
  const [matrix, offsets] =
    columns === table.rows
      ? [graph.tensor(table.tensor, shape), bias]
      : [
          graph.partOf(`${address}/table`, table.tensor, shape, (stored) => leadingRows(stored, 'table')),
          bias && leadingRows(bias, 'bias'),
        ];
  const product = graph.op(`${address}/Gemm`, 'Gemm', [rows, matrix, offsets], ['rows', columns], {
    attributes: { transB: 1 },
  });
  const leading = graph.op(`${address}/Shape`, 'Shape', [x], [2], { dtype: 'int64', attributes: { start: 0, end: 2 } });
  const target = graph.op(`${address}/Concat`, 'Concat', [leading, graph.integers([columns])], [3], {
    attributes: { axis: 0 },
  });
  return graph.op(`${address}/Reshape`, 'Reshape', [product, target], [batch, length, columns]);
}
