/**
 * Builds an ONNX graph op by op. Every value carries its dtype and shape, every node an address such as
 * /encoder/layer.0/attention/self/query/MatMul, so that a graph can be read in any viewer.
 */
import { DTYPES, type Dtype } from '../tensor/dtype.ts';
import { elementCountOf } from '../tensor/lazy-tensor.ts';
import { ATTRIBUTE_TYPES, type AttributeProto, type NodeProto, type ValueInfoProto } from './proto.ts';

/** A number, or the name of a size that is known only at run time. */
export type Dimension = number | string;

/** An edge of the graph. */
export interface Value {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly Dimension[];
}

/** Where the numbers of a weight come from. */
export type WeightSource =
  /** Checkpoint tensors by canonical name, concatenated along their first dimension, then transposed or not. */
  | {
      readonly kind: 'checkpoint';
      readonly tensors: readonly string[];
      readonly transpose: boolean;
      readonly heads?: HeadPadding | undefined;
    }
  /** A vector of a norm, divided by the factors with which the columns of its readers are multiplied. */
  | { readonly kind: 'smoothed'; readonly tensor: string; readonly norm: NormReaders }
  /** Numbers made by the architecture, e.g. a rotation table. */
  | { readonly kind: 'computed'; readonly data: Float32Array }
  /** A matrix in fewer bits: its integers, or their scales. */
  | {
      readonly kind: 'quantized';
      readonly matrix: MatrixSource;
      readonly format: QuantizedFormat;
      readonly part: 'values' | 'scales' | 'zeroPoints';
    }
  /** The bytes of another weight, under another shape. */
  | { readonly kind: 'same'; readonly as: string };

/** A matrix of `rows` output features and `columns` input features, as the checkpoint holds it. */
export interface MatrixSource {
  readonly tensors: readonly string[];
  readonly rows: number;
  readonly columns: number;
  /** True when the checkpoint stores [columns, rows], as GPT-2's Conv1D does. */
  readonly transposed: boolean;
  readonly heads?: HeadPadding | undefined;
  /** The norm whose output it reads, when that is smoothed: its columns are multiplied with what the norm is divided by. */
  readonly smoothing?: NormReaders | undefined;
}

/** A norm and all matrices that read its output, which nothing else does. */
export interface NormReaders {
  /** Canonical prefix of its weight and bias. */
  readonly norm: string;
  /** Canonical names of the matrices, stored [out, in]. */
  readonly readers: readonly string[];
}

/**
 * blocks: each run of `blockSize` numbers of a row has a scale (MatMulNBits, GatherBlockQuantized), and with `zeroPoints` the
 * code of its 0, which is the middle one otherwise.
 * columns: each output feature has one (DynamicQuantizeMatMul); activations are rounded too, at run time.
 */
export type QuantizedFormat =
  | { readonly kind: 'blocks'; readonly bits: 4 | 8; readonly blockSize: number; readonly zeroPoints?: true }
  | { readonly kind: 'columns' };

/** How one matrix is stored, whatever the others are. */
export type MatrixFormat = QuantizedFormat | 'float32' | 'float16';

/**
 * Zeros after each attention head along one dimension of the result: kernels want heads of a multiple of 8 numbers,
 * and zeros in q, k and v change no score and no sum.
 */
export interface HeadPadding {
  readonly dimension: 0 | 1;
  readonly headSize: number;
  readonly paddedSize: number;
}

/** A large constant, written to the external data file. */
export interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  /** The type it is stored in; nodes see float32 for both floating types. */
  readonly dtype: 'float32' | 'float16' | 'uint8' | 'int8';
  readonly source: WeightSource;
}

/** A small constant, written into the graph file. */
export interface Constant {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** An attribute: integers are INT, `{ float }` is FLOAT. */
export type Attribute = number | string | readonly number[] | { readonly float: number };

export interface NodeOptions {
  /** Operator set. @default "" (ai.onnx) */
  readonly domain?: typeof MICROSOFT;
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

/** Operators of ONNX Runtime's own set. */
export const MICROSOFT = 'com.microsoft';

export interface GraphOptions {
  /** The type in which matrices are stored. @default "float32" */
  readonly weightDtype?: 'float32' | 'float16';
  /** Weights (by name) that stay float32 whatever weightDtype says, e.g. since float16 would overflow. */
  readonly keepFloat32?: ReadonlySet<string>;
  /** How the matrices of the layers are quantised. @default not at all */
  readonly linear?: QuantizedFormat | undefined;
  /** How the embedding and the output projection are. @default not at all */
  readonly embedding?: Extract<QuantizedFormat, { kind: 'blocks' }> | undefined;
  /** Logits over the vocabulary are those of this many first tokens, e.g. in a probe. @default all */
  readonly logitColumns?: number;
  /** Matrices (by the names of MatrixSource.tensors joined with "|") that are stored otherwise than the options above say. */
  readonly matrices?: ReadonlyMap<string, MatrixFormat> | undefined;
}

export class Graph {
  readonly nodes: NodeProto[] = [];
  readonly inputs: Value[] = [];
  readonly outputs: Value[] = [];
  readonly weights = new Map<string, Weight>();
  readonly constants = new Map<string, Constant>();
  readonly values = new Map<string, Value>();
  readonly name: string;
  readonly #options: GraphOptions;

  constructor(name: string, options: GraphOptions = {}) {
    this.name = name;
    this.#options = options;
  }

  input(name: string, dtype: Dtype, shape: readonly Dimension[]): Value {
    const value = this.#value(name, dtype, shape);
    this.inputs.push(value);
    return value;
  }

  /** An input that need not be fed: `bytes` is its value then (an initializer that is also an input). */
  optionalInput(
    name: string,
    dtype: Dtype,
    shape: readonly Dimension[],
    fallback: Omit<Constant, 'name' | 'dtype'>,
  ): Value {
    this.constants.set(name, { name, dtype, ...fallback });
    return this.input(name, dtype, shape);
  }

  /** Gives a value the name under which clients find it. */
  output(name: string, value: Value): void {
    this.node(`/output/${name}`, 'Identity', [value], [[name, value.dtype, value.shape]]);
    this.outputs.push({ ...value, name });
  }

  /**
   * A weight of the checkpoint as float32: `tensors` are canonical names, concatenated along their first dimension;
   * `shape` is that of the result, after the transposition. The same name twice is the same weight.
   */
  weight(name: string, shape: readonly number[], source: WeightSource): Value {
    const stored = this.#stored(name, shape, source);
    const known = this.values.get(`${name}/float32`);
    if (known || stored.dtype === 'float32') return known ?? stored;
    return this.#widen(`/weights/${name}`, stored, `${name}/float32`);
  }

  /**
   * What `take` picks out of a tensor of the checkpoint, as float32. It is given the tensor as it is stored, so that of
   * a float16 table only the picked rows are widened.
   */
  partOf(address: string, name: string, shape: readonly number[], take: (stored: Value) => Value): Value {
    const part = take(this.#stored(name, shape, { kind: 'checkpoint', tensors: [name], transpose: false }));
    return part.dtype === 'float32' ? part : this.#widen(address, part, `${address}/Cast:0`);
  }

  /** How matrices are stored, for the operations that depend on it. */
  get options(): GraphOptions {
    return this.#options;
  }

  /** A weight in a form that nodes take as it is: integers, scales, or another's bytes under another shape. */
  rawWeight(weight: Weight): Value {
    const { name, dtype, shape } = weight;
    if (!this.weights.has(name)) {
      this.weights.set(name, weight);
      this.values.set(name, { name, dtype, shape });
    }
    return { name, dtype, shape };
  }

  /** A weight as one tensor of the checkpoint holds it. */
  tensor(name: string, shape: readonly number[]): Value {
    return this.weight(name, shape, { kind: 'checkpoint', tensors: [name], transpose: false });
  }

  /** int64 numbers in the graph file; the name says the content (or `label` does), so equal ones are shared. */
  integers(values: readonly number[], shape: readonly number[] = [values.length], label = `${values}`): Value {
    const name = `/constants/int64[${shape}](${label})`;
    const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    this.constants.set(name, { name, dtype: 'int64', shape, bytes });
    return this.#value(name, 'int64', shape);
  }

  /** One float32 number in the graph file. */
  scalar(value: number): Value {
    const name = `/constants/float32(${value})`;
    this.constants.set(name, {
      name,
      dtype: 'float32',
      shape: [],
      bytes: new Uint8Array(Float32Array.of(value).buffer),
    });
    return this.#value(name, 'float32', []);
  }

  /**
   * Adds a node and returns its outputs. `outputs` are [name, dtype, shape]; an empty name skips an optional output.
   * Inputs may be undefined where an optional input is skipped.
   */
  node(
    address: string,
    opType: string,
    inputs: readonly (Value | undefined)[],
    outputs: readonly (readonly [name: string, dtype: Dtype, shape: readonly Dimension[]])[],
    options: NodeOptions = {},
  ): Value[] {
    const names = inputs.map((input) => input?.name ?? '');
    while (names.at(-1) === '') names.pop();
    this.nodes.push({
      name: address,
      opType,
      input: names,
      output: outputs.map(([name]) => name),
      attribute: Object.entries(options.attributes ?? {}).map(([name, value]) => attributeProto(name, value)),
      ...(options.domain && { domain: options.domain }),
    });
    return outputs.map(([name, dtype, shape]) => (name ? this.#value(name, dtype, shape) : { name, dtype, shape }));
  }

  /** Adds a node with one output, named after its address. */
  op(
    address: string,
    opType: string,
    inputs: readonly (Value | undefined)[],
    shape: readonly Dimension[],
    options: NodeOptions & { readonly dtype?: Dtype } = {},
  ): Value {
    const dtype = options.dtype ?? inputs[0]?.dtype ?? 'float32';
    return this.node(address, opType, inputs, [[`${address}:0`, dtype, shape]], options)[0]!;
  }

  /** A weight in the type in which it is stored. */
  #stored(name: string, shape: readonly number[], source: WeightSource): Value {
    const { keepFloat32 } = this.#options;
    // vectors (biases, norms) are a thousandth of the bytes and carry the scale of everything: never narrowed
    const dtype = shape.length < 2 || keepFloat32?.has(name) ? 'float32' : this.#floatDtype(source);
    return this.rawWeight({ name, shape, dtype, source });
  }

  #widen(address: string, x: Value, name: string): Value {
    return this.node(`${address}/Cast`, 'Cast', [x], [[name, 'float32', x.shape]], {
      attributes: { to: DTYPES.float32.onnx },
    })[0]!;
  }

  /** The floating type in which a matrix is stored. */
  #floatDtype(source: WeightSource): 'float32' | 'float16' {
    const chosen = source.kind === 'checkpoint' ? this.formatOf(source.tensors) : undefined;
    return chosen === 'float16' || chosen === 'float32' ? chosen : (this.#options.weightDtype ?? 'float32');
  }

  /** The format that was chosen for this matrix alone, if one was. */
  formatOf(tensors: readonly string[]): MatrixFormat | undefined {
    return this.#options.matrices?.get(tensors.join('|'));
  }

  #value(name: string, dtype: Dtype, shape: readonly Dimension[]): Value {
    const known = this.values.get(name);
    if (known && !name.startsWith('/constants/'))
      throw new Error(`graph "${this.name}" has two values named "${name}"`);
    const value = { name, dtype, shape };
    this.values.set(name, value);
    return value;
  }
}

/** ValueInfoProto of a value. */
export function valueInfo({ name, dtype, shape }: Value): ValueInfoProto {
  const dim = shape.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d }));
  return { name, type: { tensorType: { elemType: DTYPES[dtype].onnx, shape: { dim } } } };
}

/** Bytes that a weight takes in the data file. */
export function weightBytes(weight: Weight): number {
  return elementCountOf(weight.shape) * DTYPES[weight.dtype].bytes;
}

// --- internal ---

function attributeProto(name: string, value: Attribute): AttributeProto {
  if (typeof value === 'string') return { name, type: ATTRIBUTE_TYPES.string, s: new TextEncoder().encode(value) };
  if (typeof value === 'number') return { name, type: ATTRIBUTE_TYPES.int, i: value };
  if ('float' in value) return { name, type: ATTRIBUTE_TYPES.float, f: value.float };
  return { name, type: ATTRIBUTE_TYPES.ints, ints: [...value] };
}
