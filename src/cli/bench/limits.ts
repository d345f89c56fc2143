/**
 * What this machine can do, by the same library with the same threads: how fast it reads memory, how fast it multiplies
 * float32 and 8-bit matrices. Graphs of one operator each; the best trial counts, since a limit is what can be reached.
 */
import type { Limits } from '../../bench/result.ts';
import { openSession } from '../../engine/open-session.ts';
import { float32Tensor } from '../../engine/tensor.ts';
import { Graph, MICROSOFT, type Value } from '../../onnx/graph.ts';
import { encodeGraph } from '../../onnx/writer.ts';
import type { Dtype } from '../../tensor/dtype.ts';
import { FSB_VERSION } from '../../util/version.ts';

/** float32 [READ_ROWS, READ_COLUMNS] is 256 MiB: the caches of common machines hold a tenth of it. */
const [READ_ROWS, READ_COLUMNS] = [8192, 8192];
/** (rows, inner) · (inner, columns): long enough to keep every core busy, small enough to stay in the caches. */
const [ROWS, INNER, COLUMNS] = [512, 2048, 2048];

/** Each limit is tried again until so much time has passed, and three times at least. */
const LEAST_MS = 300;
const LEAST_RUNS = 3;

/** Measures all three, one after the other. */
export async function measureLimits(threads: number | undefined): Promise<Limits> {
  const readArrayBytes = READ_ROWS * READ_COLUMNS * 4;
  const operations = 2 * ROWS * INNER * COLUMNS;
  return {
    readBytesPerSecond: readArrayBytes / (await fastest(readGraph(), [READ_ROWS, READ_COLUMNS], threads)),
    readArrayBytes,
    float32OperationsPerSecond: operations / (await fastest(floatGraph(), [ROWS, INNER], threads)),
    int8OperationsPerSecond: operations / (await fastest(integerGraph(), [ROWS, INNER], threads)),
  };
}

/** The larger of each limit. */
export function bestLimits(trials: readonly Limits[]): Limits {
  const best = (of: (limits: Limits) => number): number => Math.max(...trials.map(of));
  return {
    readBytesPerSecond: best((limits) => limits.readBytesPerSecond),
    readArrayBytes: best((limits) => limits.readArrayBytes),
    float32OperationsPerSecond: best((limits) => limits.float32OperationsPerSecond),
    int8OperationsPerSecond: best((limits) => limits.int8OperationsPerSecond),
  };
}

// --- internal ---

/** Seconds of the fastest run of a graph with the input x and the output y. */
async function fastest(graph: Graph, shape: readonly [number, number], threads: number | undefined): Promise<number> {
  const session = await openSession(encodeGraph(graph, [], FSB_VERSION), { device: 'cpu', threads });
  try {
    const data = new Float32Array(shape[0] * shape[1]);
    for (let i = 0; i < data.length; i++) data[i] = ((i * 31) % 255) / 255 - 0.5; // touches every page, too
    const feeds = { x: float32Tensor(data, shape) };
    let best = Number.POSITIVE_INFINITY;
    const begun = performance.now();
    for (let run = 0; run < LEAST_RUNS || performance.now() - begun < LEAST_MS; run++) {
      const started = performance.now();
      await session.run(feeds, ['y']);
      best = Math.min(best, (performance.now() - started) / 1000);
    }
    return best;
  } finally {
    await session.dispose();
  }
}

/** Sums of rows: nothing but reading. */
function readGraph(): Graph {
  const graph = new Graph('read');
  const x = graph.input('x', 'float32', ['rows', 'columns']);
  graph.output('y', graph.op('/ReduceSum', 'ReduceSum', [x, graph.integers([1])], ['rows', 1]));
  return graph;
}

function floatGraph(): Graph {
  const graph = new Graph('float32');
  const x = graph.input('x', 'float32', ['rows', INNER]);
  const weights = constant(graph, 'weights', 'float32', [INNER, COLUMNS], new Float32Array(INNER * COLUMNS).fill(0.5));
  graph.output('y', graph.op('/MatMul', 'MatMul', [x, weights], ['rows', COLUMNS]));
  return graph;
}

/** Activations are rounded and results scaled too, as in a quantised layer. */
function integerGraph(): Graph {
  const graph = new Graph('int8');
  const x = graph.input('x', 'float32', ['rows', INNER]);
  const weights = constant(graph, 'weights', 'int8', [INNER, COLUMNS], new Int8Array(INNER * COLUMNS).fill(63));
  const scales = constant(graph, 'scales', 'float32', [COLUMNS], new Float32Array(COLUMNS).fill(0.01));
  graph.output(
    'y',
    graph.op('/DynamicQuantizeMatMul', 'DynamicQuantizeMatMul', [x, weights, scales], ['rows', COLUMNS], {
      domain: MICROSOFT,
    }),
  );
  return graph;
}

function constant(
  graph: Graph,
  name: string,
  dtype: Dtype,
  shape: readonly number[],
  data: Float32Array | Int8Array,
): Value {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  graph.constants.set(name, { name, dtype, shape, bytes });
  return { name, dtype, shape };
}
