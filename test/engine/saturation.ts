/** An int8 product whose pairs of 8-bit products overflow 16 bits, run by a session that fsb opens, or by one without its guard. */
import { openSession } from '../../src/engine/open-session.ts';
import { Graph, MICROSOFT } from '../../src/onnx/graph.ts';
import { encodeGraph } from '../../src/onnx/writer.ts';

const [ROWS, INNER, COLUMNS] = [4, 64, 32];

/** The largest error relative to the largest result. */
export async function saturationError(setting: 'guarded' | 'unguarded'): Promise<number> {
  const config = setting === 'guarded' ? {} : { 'session.x64quantprecision': '0' };
  const session = await openSession(encodeGraph(productGraph(), [], 'test'), { threads: 1, config });
  // all positive: rounded to uint8, most lie near 255, and 255 · 120 + 255 · 120 is beyond 32767
  const x = Float32Array.from({ length: ROWS * INNER }, (_, i) => 5 + ((i * 37) % 11) / 10);
  const { y } = await session.run({ x: { dtype: 'float32', shape: [ROWS, INNER], data: x } }, ['y']);
  await session.dispose();
  let [difference, largest] = [0, 0];
  for (let r = 0; r < ROWS; r++)
    for (let c = 0; c < COLUMNS; c++) {
      let exact = 0;
      for (let k = 0; k < INNER; k++) exact += x[r * INNER + k]! * weight(c) * 0.01;
      difference = Math.max(difference, Math.abs(exact - (y!.data as Float32Array)[r * COLUMNS + c]!));
      largest = Math.max(largest, Math.abs(exact));
    }
  return difference / largest;
}

function weight(column: number): number {
  return column % 2 === 0 ? -120 : 120;
}

function productGraph(): Graph {
  const graph = new Graph('product');
  const x = graph.input('x', 'float32', ['rows', INNER]);
  const weights = Int8Array.from({ length: INNER * COLUMNS }, (_, i) => weight(i % COLUMNS));
  const scales = new Float32Array(COLUMNS).fill(0.01);
  graph.constants.set('w', {
    name: 'w',
    dtype: 'int8',
    shape: [INNER, COLUMNS],
    bytes: new Uint8Array(weights.buffer),
  });
  graph.constants.set('s', { name: 's', dtype: 'float32', shape: [COLUMNS], bytes: new Uint8Array(scales.buffer) });
  const inputs = [
    x,
    { name: 'w', dtype: 'int8', shape: [INNER, COLUMNS] },
    { name: 's', dtype: 'float32', shape: [COLUMNS] },
  ] as const;
  graph.output('y', graph.op('/product', 'DynamicQuantizeMatMul', inputs, ['rows', COLUMNS], { domain: MICROSOFT }));
  return graph;
}
