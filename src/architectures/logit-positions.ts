/**
 * Logits over the vocabulary at some positions only. A vocabulary has 21,128 columns and a text one or two masks: of a small
 * encoder the projection of every position is nearly all the work, and ONNX Runtime computes every output of a graph,
 * whether it is asked for or not (microsoft/onnxruntime#3128).
 */
import type { Graph, Value } from '../onnx/graph.ts';
import { sizeOf } from '../onnx/ops.ts';
import { type Table, tiedLogits } from '../onnx/products.ts';

/** Positions b · T + t of the batch (B, T), in any order; none, the default, for all. */
const LOGIT_POSITIONS = 'logit_positions';

/** x · tableᵀ + bias at the wanted positions: (B, T, H) → (1, positions, V); without any, (B, T, V). */
export type PositionLogits = (address: string, x: Value, table: Table, bias: Value | undefined) => Value;

/**
 * Adds the input, with a default, so that clients which know nothing of it need not feed it.
 *
 *   logit_positions ─┬──────────────────────────────────┬─► Concat ─► Gather of (B·T, H) ─► Reshape ─► tiedLogits
 *                    └─► none? ─► Range: 0 … B·T − 1, else nothing ┘
 */
export function logitPositions(graph: Graph): PositionLogits {
  const at = `/${LOGIT_POSITIONS}`;
  const positions = graph.optionalInput(LOGIT_POSITIONS, 'int64', ['logit_positions'], {
    shape: [0],
    bytes: new Uint8Array(0),
  });
  const count = graph.op(`${at}/Shape`, 'Shape', [positions], [1]);
  const isAll = graph.op(`${at}/Equal`, 'Equal', [count, graph.integers([0])], [1], { dtype: 'bool' });
  const ifAll = (address: string, size: Value, otherwise: number): Value =>
    graph.op(`${address}/Where`, 'Where', [isAll, size, graph.integers([otherwise])], [1], { dtype: 'int64' });

  return (address, x, table, bias) => {
    const [batch, length, hidden] = x.shape as [string, string, number];
    const to = `${address}/kept`;
    const tokens = graph.op(`${to}/tokens/Reshape`, 'Reshape', [x, graph.integers([-1, hidden])], ['tokens', hidden]);
    const limit = ifAll(`${to}/limit`, sizeOf(graph, `${to}/limit`, tokens, 0), 0);
    const ends = [graph.integers([0], []), graph.op(`${to}/limit/Squeeze`, 'Squeeze', [limit], [])];
    const all = graph.op(`${to}/Range`, 'Range', [...ends, graph.integers([1], [])], ['all_positions']);
    const kept = graph.op(`${to}/Concat`, 'Concat', [positions, all], ['kept_positions'], { attributes: { axis: 0 } });
    const rows = graph.op(`${to}/Gather`, 'Gather', [tokens, kept], ['kept_positions', hidden]);
    const leading = ifAll(`${to}/batch`, sizeOf(graph, `${to}/batch`, x, 0), 1);
    const shape = graph.op(`${to}/shape/Concat`, 'Concat', [leading, graph.integers([-1, hidden])], [3], {
      attributes: { axis: 0 },
    });
    // names of their own: where two sizes have one name, ONNX Runtime lets them share memory
    const wanted = graph.op(`${to}/Reshape`, 'Reshape', [rows, shape], ['kept_batch_size', 'kept_length', hidden]);
    const logits = tiedLogits(graph, address, wanted, table, bias);
    // declared as they are for clients which know nothing of the input
    return { ...logits, shape: [batch, length, logits.shape[2]!] };
  };
}
