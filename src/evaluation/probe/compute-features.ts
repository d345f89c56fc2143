/** The features of all examples, computed once, batch by batch, and kept on the disk meanwhile. */
import os from 'node:os';
import { ResourceError } from '../../util/errors.ts';
import { formatBytes } from '../../util/format.ts';
import { planBatches } from '../batches.ts';
import type { Example } from '../dataset.ts';
import { encodeAll } from '../methods/method.ts';
import { type FeatureIdentity, openFeatureFile } from './feature-file.ts';
import type { FeatureReader } from './features.ts';

/** Features, and the standardised copy that a fit works on. */
const COPIES = 2;

export interface ComputeOptions {
  readonly reader: FeatureReader;
  readonly examples: readonly Example[];
  /** Tokens of a batch, padding included. */
  readonly batchTokens: number;
  /** Where they are kept meanwhile. @default nowhere */
  readonly file?: string | undefined;
  readonly identity: FeatureIdentity;
  /** Go on with the file that is there. @default false */
  readonly resume?: boolean | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ComputedFeatures {
  /** (examples, numbers of each), in the order of `order`. */
  readonly features: Float32Array;
  /** Numbers of one example. */
  readonly size: number;
  /** Which example stands where. */
  readonly order: readonly number[];
}

/** Throws ResourceError when they do not fit into memory, and what the model throws. */
export async function computeFeatures(options: ComputeOptions): Promise<ComputedFeatures> {
  const { reader, examples, batchTokens, file, identity, resume = false, onProgress, signal } = options;
  const rows = await encodeAll(examples, (example) => reader.encode(example), signal);
  const plan = planBatches(
    rows.map((variants) => variants.reduce((sum, { ids }) => sum + ids.length, 0)),
    batchTokens,
  );
  const order = plan.flat();
  const size = reader.sizeOf(rows[0]!);
  requireMemory(order.length * size * Float32Array.BYTES_PER_ELEMENT, order.length);
  const features = new Float32Array(order.length * size);
  const kept = file === undefined ? undefined : await openFeatureFile(file, identity, resume);
  try {
    let done = 0;
    let floats = 0;
    const known = kept?.floats ?? 0;
    while (done < plan.length && floats + plan[done]!.length * size <= known) floats += plan[done++]!.length * size;
    await kept?.restore(features.subarray(0, floats));
    for (; done < plan.length; done++) {
      signal?.throwIfAborted();
      const vectors = await reader.read(
        plan[done]!.map((i) => rows[i]!),
        signal,
      );
      const start = floats;
      for (const vector of vectors) {
        features.set(vector, floats);
        floats += size;
      }
      await kept?.append(features.subarray(start, floats));
      onProgress?.(floats / size, order.length);
    }
  } finally {
    await kept?.close();
  }
  return { features, size, order };
}

// --- internal ---

function requireMemory(bytes: number, rows: number): void {
  const free = os.freemem();
  if (COPIES * bytes <= free) return;
  throw new ResourceError(
    `the features of ${rows} training rows need ${formatBytes(COPIES * bytes)} of memory, ${formatBytes(free)} are free`,
    { code: 'out-of-memory', hint: 'train on fewer rows: --train-limit' },
  );
}
