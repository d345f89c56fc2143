/** What a model takes: bytes on the disk, and in memory while one sequence runs on a CPU. */
import type { ModelEntry } from './schema.ts';

/** The numbers that size a model, where they are known. */
export type Dimensions = NonNullable<ModelEntry['dimensions']>;

/** What decides how much a model takes. */
export interface Sized {
  /** Tied ones once. */
  readonly parameters: number;
  /** Encoders run many tokens at once, decoders one: they are stored differently. */
  readonly workload: 'encoder' | 'decoder';
  readonly dimensions?: Dimensions | undefined;
}

export interface Need {
  readonly dtype: string;
  readonly diskBytes: number;
  /** Peak resident memory of the process: one sequence, for decoders with keys and values of the longest context. */
  readonly memoryBytes: number;
}

/** Node, ONNX Runtime, tokenizer and the numbers between layers. */
const PROCESS_BYTES = 150e6;

/** Bytes for each number of the layers' matrices and of the embedding. */
interface Factors {
  readonly disk: { readonly linear: number; readonly table: number };
  readonly memory: { readonly linear: number; readonly table: number };
}

/**
 * Memory: measured (RSS, Linux x64, ONNX Runtime 1.30) on 110M and 1.3B encoders with 512 tokens and on 110M and 3.5B
 * decoders. What exceeds the disk is what ONNX Runtime packs for its kernels beside the stored form.
 */
const FACTORS: Readonly<Record<'encoder' | 'decoder', Readonly<Record<string, Factors>>>> = {
  encoder: {
    fp32: { disk: { linear: 4, table: 4 }, memory: { linear: 4, table: 4 } },
    fp16: { disk: { linear: 2, table: 2 }, memory: { linear: 4, table: 4 } },
    int8: { disk: { linear: 1, table: 1.03 }, memory: { linear: 1.15, table: 1 } },
    int4: { disk: { linear: 0.625, table: 1.03 }, memory: { linear: 1.03, table: 1 } },
  },
  decoder: {
    fp32: { disk: { linear: 4, table: 4 }, memory: { linear: 4, table: 7 } },
    fp16: { disk: { linear: 2, table: 2 }, memory: { linear: 4, table: 7 } },
    int8: { disk: { linear: 1.03, table: 1.03 }, memory: { linear: 1.08, table: 1 } },
    int4: { disk: { linear: 0.563, table: 1.03 }, memory: { linear: 0.7, table: 1 } },
  },
};

/** Architectures that are stored for one token after the other. */
const DECODERS: ReadonlySet<string | null> = new Set(['gpt2', 'megatron-t5', 't5']);

export function workloadOf(architecture: string | null): Sized['workload'] {
  return DECODERS.has(architecture) ? 'decoder' : 'encoder';
}

/** Needs per dtype. Without dimensions every number counts as one of a layer. */
export function needsOf({ parameters, workload, dimensions }: Sized): Need[] {
  const table = dimensions ? dimensions.embeddingRows * dimensions.hiddenSize : 0;
  const linear = parameters - table;
  const sum = (factors: Factors['disk']): number => linear * factors.linear + table * factors.table;
  return Object.entries(FACTORS[workload]).map(([dtype, { disk, memory }]) => ({
    dtype,
    diskBytes: sum(disk),
    memoryBytes: PROCESS_BYTES + sum(memory) + (dimensions && workload === 'decoder' ? cacheBytes(dimensions) : 0),
  }));
}

/** Keys and values of all layers as float32. */
function cacheBytes({ decoderLayers, hiddenSize, positions }: Dimensions): number {
  return 2 * 4 * decoderLayers * hiddenSize * positions;
}
