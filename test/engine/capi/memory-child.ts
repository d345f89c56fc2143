/** A process of its own (see memory.test.ts): repeats a scenario and prints its resident memory before and after. */
import { openSession } from '../../../src/engine/open-session.ts';
import { float32Tensor, type Tensor, zeros } from '../../../src/engine/tensor.ts';
import { onnxBytes } from '../onnx-bytes.ts';

const WIDTH = 512; // 512² float32 = 1 MB of weights

const weights = new Float32Array(WIDTH * WIDTH).fill(0.5);
const model = onnxBytes({
  nodes: [{ op: 'MatMul', inputs: ['x', 'W'], outputs: ['y'] }],
  inputs: [{ name: 'x', type: 'float32', shape: ['n', WIDTH] }],
  outputs: [{ name: 'y', type: 'float32', shape: ['n', WIDTH] }],
  constants: [{ name: 'W', type: 'float32', shape: [WIDTH, WIDTH], data: weights }],
});

const options = { runtime: 'capi', threads: 1 } as const;
const rows = (count: number): Tensor => float32Tensor(new Float32Array(count * WIDTH).fill(1), [count, WIDTH]);

const scenarios = {
  async sessions(): Promise<() => Promise<unknown>> {
    return async () => {
      const session = await openSession(model, options);
      await session.run({ x: rows(1) }, ['y']);
      const binding = session.createBinding();
      await binding
        .input('x', rows(1))
        .output('y', zeros('float32', [1, WIDTH]))
        .run();
      await session.dispose();
    };
  },
  async runs(): Promise<() => Promise<unknown>> {
    const session = await openSession(
      onnxBytes({
        nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['y'] }],
        inputs: [{ name: 'x', type: 'float32', shape: ['n'] }],
        outputs: [{ name: 'y', type: 'float32', shape: ['n'] }],
      }),
      options,
    );
    let length = 250_000;
    return async () => {
      length++; // a length of its own each time: nothing may be kept per shape
      await session.run({ x: zeros('float32', [length]) }, ['y']);
    };
  },
  async aborts(): Promise<() => Promise<unknown>> {
    const session = await openSession(model, options);
    const x = rows(16);
    return async () => {
      const controller = new AbortController();
      const run = session.run({ x }, ['y'], { signal: controller.signal }).catch(() => undefined);
      controller.abort();
      await run;
    };
  },
};

const counts = { sessions: [10, 50], runs: [100, 1000], aborts: [100, 1000] } as const;

async function residentBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    (globalThis as { gc?: () => void }).gc?.();
    await new Promise((resolve) => setTimeout(resolve, 20)); // finalizers run between turns
  }
  return process.memoryUsage.rss();
}

const scenario = process.argv[2] as keyof typeof scenarios;
const [warmUp, measured] = counts[scenario];
const once = await scenarios[scenario]();
for (let i = 0; i < warmUp; i++) await once();
const before = await residentBytes();
for (let i = 0; i < measured; i++) await once();
console.log(JSON.stringify({ before, after: await residentBytes() }));
