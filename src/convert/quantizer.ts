/** Who quantises: threads of their own for large models, so that reading, hashing and writing go on meanwhile. */
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import type { QuantizedFormat } from '../onnx/graph.ts';
import { type QuantizedRows, quantize } from './quantize.ts';

export interface Quantizer {
  /** How many calls of `quantize` can be under way at once with gain; 0: it does its work before it returns. */
  readonly threads: number;
  /** `rows` may change as soon as this returns. Results come in the order of the calls. */
  quantize(rows: Float32Array, columns: number, format: QuantizedFormat): Promise<QuantizedRows>;
  close(): Promise<void>;
}

/** What a thread is sent; it answers with QuantizedRows, in the same order. */
export interface QuantizeRequest {
  readonly rows: Float32Array;
  readonly columns: number;
  readonly format: QuantizedFormat;
}

/** Below this many numbers a thread takes longer to start than the work. */
const LARGE = 16 * 1024 * 1024;
/** The thread that reads, casts and writes keeps about three busy. It is idle half of the time beside one: none is kept free for it. */
const MAX_THREADS = 3;

/** The caller closes it. `numbers`: how many there are to quantise in all. */
export function openQuantizer(numbers: number, threads: number = threadsFor(numbers)): Quantizer {
  return threads === 0 ? new InlineQuantizer() : new ThreadedQuantizer(threads);
}

// --- internal ---

/** The file beside this one, of the same kind. */
const WORKER_FILE = new URL(`quantize-worker${path.extname(import.meta.url)}`, import.meta.url);

/** None for sources run by a loader of TypeScript, which Node's threads do not have. */
function threadsFor(numbers: number): number {
  if (numbers < LARGE || WORKER_FILE.pathname.endsWith('.ts')) return 0;
  return Math.min(MAX_THREADS, availableParallelism());
}

class InlineQuantizer implements Quantizer {
  readonly threads = 0;

  async quantize(rows: Float32Array, columns: number, format: QuantizedFormat): Promise<QuantizedRows> {
    return quantize(rows, columns, format);
  }

  async close(): Promise<void> {}
}

class ThreadedQuantizer implements Quantizer {
  readonly threads: number;
  readonly #threads: QuantizeThread[];
  #turn = 0;

  constructor(threads: number) {
    this.threads = threads;
    this.#threads = Array.from({ length: threads }, () => new QuantizeThread());
  }

  quantize(rows: Float32Array, columns: number, format: QuantizedFormat): Promise<QuantizedRows> {
    const thread = this.#threads[this.#turn++ % this.threads]!;
    return thread.quantize({ rows, columns, format });
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }
}

interface Waiting {
  readonly resolve: (result: QuantizedRows) => void;
  readonly reject: (error: Error) => void;
}

class QuantizeThread {
  readonly #worker = new Worker(WORKER_FILE);
  /** Requests without an answer, the oldest first. */
  readonly #waiting: Waiting[] = [];

  constructor() {
    this.#worker.on('message', (result: QuantizedRows) => this.#waiting.shift()?.resolve(result));
    this.#worker.on('error', (error) => {
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    });
  }

  quantize(request: QuantizeRequest): Promise<QuantizedRows> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(request); // copied: a hundredth of the time that rounding takes
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
