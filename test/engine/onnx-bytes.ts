/** Just enough of onnx/onnx.proto to write the small graphs of these tests as bytes. */

type Dimensions = readonly (number | string)[];
type Attribute = bigint | number | string;

/** A protobuf message under construction: fields are appended in the order of the calls. */
class Message {
  readonly bytes: number[] = [];

  varint(value: number | bigint): this {
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 127n; rest >>= 7n) this.bytes.push(Number(rest & 127n) | 128);
    this.bytes.push(Number(rest));
    return this;
  }

  int(field: number, value: number | bigint): this {
    return this.varint(field << 3).varint(value);
  }

  raw(field: number, bytes: ArrayLike<number>): this {
    this.varint((field << 3) | 2).varint(bytes.length);
    for (let i = 0; i < bytes.length; i++) this.bytes.push(bytes[i]!);
    return this;
  }

  text(field: number, value: string): this {
    return this.raw(field, new TextEncoder().encode(value));
  }

  float(field: number, value: number): this {
    this.varint((field << 3) | 5);
    this.bytes.push(...new Uint8Array(Float32Array.of(value).buffer));
    return this;
  }

  message(field: number, inner: Message): this {
    return this.raw(field, inner.bytes);
  }
}

/** TensorProto.DataType. */
const TYPES = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11 } as const;
export type ElementType = keyof typeof TYPES;

export interface Value {
  readonly name: string;
  readonly type: ElementType;
  /** A number is fixed, a string is a symbolic dimension. */
  readonly shape: Dimensions;
}

export interface Constant {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  /** The elements, or the file beside the model that has them. */
  readonly data: ArrayBufferView | string;
}

export interface GraphNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly domain?: string;
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly constants?: readonly Constant[];
}

/** The graph as the bytes of a ModelProto (IR 10, opset 21, com.microsoft 1). */
export function onnxBytes({ nodes, inputs, outputs, constants = [] }: Graph): Uint8Array {
  const graph = new Message();
  for (const node of nodes) graph.message(1, nodeMessage(node));
  graph.text(2, 'test');
  for (const constant of constants) graph.message(5, tensorMessage(constant));
  for (const input of inputs) graph.message(11, valueMessage(input));
  for (const output of outputs) graph.message(12, valueMessage(output));
  const opset = (domain: string, version: number): Message => new Message().text(1, domain).int(2, version);
  return Uint8Array.from(
    new Message().int(1, 10).message(7, graph).message(8, opset('', 21)).message(8, opset('com.microsoft', 1)).bytes,
  );
}

function nodeMessage({ op, inputs, outputs, attributes = {}, domain }: GraphNode): Message {
  const message = new Message();
  for (const input of inputs) message.text(1, input);
  for (const output of outputs) message.text(2, output);
  message.text(4, op);
  for (const [name, value] of Object.entries(attributes)) message.message(5, attributeMessage(name, value));
  return domain ? message.text(7, domain) : message;
}

function attributeMessage(name: string, value: Attribute): Message {
  const message = new Message().text(1, name);
  if (typeof value === 'bigint') return message.int(3, value).int(20, 2);
  if (typeof value === 'number') return message.float(2, value).int(20, 1);
  return message.text(4, value).int(20, 3);
}

function tensorMessage({ name, type, shape, data }: Constant): Message {
  const message = new Message();
  for (const dimension of shape) message.int(1, dimension);
  message.int(2, TYPES[type]).text(8, name);
  if (typeof data === 'string') return message.message(13, new Message().text(1, 'location').text(2, data)).int(14, 1); // EXTERNAL
  return message.raw(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function valueMessage({ name, type, shape }: Value): Message {
  const dimensions = new Message();
  for (const dimension of shape)
    dimensions.message(
      1,
      typeof dimension === 'string' ? new Message().text(2, dimension) : new Message().int(1, dimension),
    );
  const tensorType = new Message().int(1, TYPES[type]).message(2, dimensions);
  return new Message().text(1, name).message(2, new Message().message(1, tensorType));
}
