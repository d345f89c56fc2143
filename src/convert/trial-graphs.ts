/**
 * Variants of a converted float32 model in which some matrices are quantised: their bytes are written, everything else is
 * taken from the model's own data file. For measuring what a format costs, with the operators that will run in the end.
 */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { ModelPlan } from '../architectures/architecture.ts';
import type { MatrixFormat, MatrixSource, Weight } from '../onnx/graph.ts';
import { EXTERNAL_LOCATION } from '../onnx/proto.ts';
import { readModel } from '../onnx/summary.ts';
import { type PlacedWeights, WeightFile, writeGraph } from '../onnx/writer.ts';
import { type Manifest, readManifest, writeManifest } from '../registry/manifest.ts';
import type { LazyTensor } from '../tensor/lazy-tensor.ts';
import { FSB_VERSION } from '../util/version.ts';
import { graphOptionsFor } from './dtypes.ts';
import { QuantizedWeights } from './quantized-weights.ts';
import { openQuantizer } from './quantizer.ts';
import { SmoothingFactors, smoothedBytes, smoothGraph } from './smoothing.ts';

/** A matrix that a dtype quantises. */
export interface QuantizableMatrix {
  /** Canonical names of its tensors, joined with "|": its key in GraphOptions.matrices. */
  readonly name: string;
  readonly source: MatrixSource;
  /** The format that the dtype gives it. */
  readonly format: Exclude<MatrixFormat, string>;
}

/** The matrices that `dtype` quantises, in the order of their first use. */
export function listQuantizable(plan: ModelPlan, dtype: 'int8' | 'int4'): QuantizableMatrix[] {
  const found = new Map<string, QuantizableMatrix>();
  for (const graphPlan of plan.graphs)
    for (const { source } of graphPlan.build(graphOptionsFor(dtype, plan.workload)).weights.values()) {
      if (source.kind !== 'quantized' || source.part !== 'values') continue;
      const name = source.matrix.tensors.join('|');
      if (!found.has(name)) found.set(name, { name, source: source.matrix, format: source.format });
    }
  return [...found.values()];
}

export class TrialGraphs {
  readonly #folder: string;
  readonly #plan: ModelPlan;
  readonly #tensors: ReadonlyMap<string, LazyTensor>;
  readonly #manifest: Manifest;
  readonly #base: PlacedWeights;

  private constructor(
    folder: string,
    plan: ModelPlan,
    tensors: ReadonlyMap<string, LazyTensor>,
    manifest: Manifest,
    base: PlacedWeights,
  ) {
    this.#folder = folder;
    this.#plan = plan;
    this.#tensors = tensors;
    this.#manifest = manifest;
    this.#base = base;
  }

  /** `folder` is the float32 conversion of the checkpoint that `plan` and `tensors` are of; its manifest is rewritten by trials. */
  static async open(folder: string, plan: ModelPlan, tensors: ReadonlyMap<string, LazyTensor>): Promise<TrialGraphs> {
    const manifest = await readManifest(folder);
    return new TrialGraphs(folder, plan, tensors, manifest, await placedWeights(folder, manifest));
  }

  /** Makes the folder the model in which these matrices have these formats, while `use` runs. */
  async with<T>(formats: ReadonlyMap<string, MatrixFormat>, use: () => Promise<T>): Promise<T> {
    // float16 holds what is measured here: it is trialled as the float32 that is written already
    const matrices = new Map([...formats].filter(([, format]) => format !== 'float16'));
    const graphs = this.#plan.graphs.map((graphPlan) => graphPlan.build({ matrices }));
    for (const graph of graphs) smoothGraph(graph, this.#plan.smoothable ?? []);
    const written: string[] = [];
    const inFolder = (name: string): string => {
      const file = path.join(this.#folder, 'onnx', name);
      written.push(file);
      return file;
    };
    try {
      const own = await WeightFile.create(inFolder('trial.onnx_data'));
      await this.#append(own, [...new Map(graphs.flatMap((graph) => [...graph.weights])).values()]);
      for (const [i, graph] of graphs.entries())
        await writeGraph(graph, inFolder(trialFile(this.#plan.graphs[i]!.name)), [own, this.#base], FSB_VERSION);
      await writeManifest(this.#folder, {
        ...this.#manifest,
        graphs: this.#manifest.graphs.map((graph) =>
          this.#plan.graphs.some(({ name }) => name === graph.name)
            ? { ...graph, file: `onnx/${trialFile(graph.name)}` }
            : graph,
        ),
      });
      return await use();
    } finally {
      for (const file of written) await rm(file, { force: true });
    }
  }

  /** Writes what the base lacks. */
  async #append(file: WeightFile, weights: readonly Weight[]): Promise<void> {
    const smoothing = new SmoothingFactors(this.#tensors);
    const quantizer = openQuantizer(0); // of a matrix or a few at a time: no work for threads
    const quantized = new QuantizedWeights(this.#tensors, smoothing, quantizer);
    try {
      for (const weight of weights) {
        const { source } = weight;
        if (source.kind === 'quantized') await file.append(weight, quantized.chunks(weight, source));
        else if (source.kind === 'smoothed') await file.append(weight, smoothedBytes(source, smoothing));
        else if (source.kind === 'same' && file.placements.has(source.as)) await file.append(weight, nothing());
      }
      await file.finish();
    } catch (error) {
      await file.abandon();
      throw error;
    } finally {
      await quantizer.close();
    }
  }
}

// --- internal ---

const trialFile = (graph: string): string => `trial-${graph}.onnx`;

/** A weight that repeats another has no bytes of its own. */
async function* nothing(): AsyncGenerator<Uint8Array> {}

/** Where the weights of a written model lie, as its graphs say. */
async function placedWeights(folder: string, { graphs }: Manifest): Promise<PlacedWeights> {
  const placements = new Map<string, { offset: number; length: number }>();
  for (const { file } of graphs)
    for (const tensor of (await readModel(path.join(folder, file))).graph.initializer) {
      if (tensor.dataLocation !== EXTERNAL_LOCATION) continue;
      const entries = new Map((tensor.externalData ?? []).map(({ key, value }) => [key, Number(value)]));
      placements.set(tensor.name, { offset: entries.get('offset')!, length: entries.get('length')! });
    }
  return { file: path.join(folder, graphs[0]!.dataFile!), placements };
}
