/** Names of a graph's nodes, read from the bytes of an ONNX file (onnx.proto) without anything else in it. */
import { IntegrityError } from '../util/errors.ts';

/** Fields of ModelProto, GraphProto and NodeProto. */
const MODEL_GRAPH = 7;
const GRAPH_NODE = 1;
const NODE_NAME = 3;
const NODE_OPERATOR = 4;

const LENGTH_DELIMITED = 2;

/** The names of the nodes whose operator type is one of `types`, in the order of the graph. */
export function nodeNames(model: Uint8Array, types: ReadonlySet<string>): string[] {
  const names: string[] = [];
  for (const graph of fieldsOf(model, MODEL_GRAPH))
    for (const node of fieldsOf(graph, GRAPH_NODE)) {
      const text = (field: number): string => Buffer.from(fieldsOf(node, field).next().value ?? []).toString();
      if (types.has(text(NODE_OPERATOR))) names.push(text(NODE_NAME));
    }
  return names;
}

// --- internal ---

/** The contents of a message's fields with this number, which are messages or texts; others are passed over. */
function* fieldsOf(message: Uint8Array, wanted: number): Generator<Uint8Array, undefined> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++];
      if (byte === undefined || factor > Number.MAX_SAFE_INTEGER) throw malformed();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    const kind = key % 8;
    if (kind === 0) varint();
    else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else if (kind === LENGTH_DELIMITED) {
      const length = varint();
      if (at + length > message.length) throw malformed();
      if (Math.floor(key / 8) === wanted) yield message.subarray(at, at + length);
      at += length;
    } else throw malformed();
  }
  return undefined;
}

function malformed(): IntegrityError {
  return new IntegrityError('the bytes of a graph are no protobuf message', { code: 'malformed-model' });
}
