/**
 * What an architecture is to fsb: how to recognise it by its tensors, which tensors it must have, and its graph.
 * Dimensions come from tensor shapes, never from config.json, which is wrong or misleading in several published
 * repositories; config.json gives only what no shape can tell (heads, activation, epsilon, labels).
 */
import type { Graph, GraphOptions, NormReaders } from '../onnx/graph.ts';
import { elementCountOf } from '../tensor/lazy-tensor.ts';
import type { ReadTensor } from './reference/arithmetic.ts';
import type { Tensors } from './tensors.ts';

/** As in the registry and in manifest.json. */
export type ArchitectureName = 'megatron-bert' | 'zhouwenwang' | 'gpt2' | 'megatron-t5' | 't5' | 'bert';

/** The Hub's tags for what a head does. */
export type Task =
  | 'fill-mask'
  | 'text-classification'
  | 'token-classification'
  | 'multiple-choice'
  | 'question-answering'
  | 'feature-extraction'
  | 'text-generation'
  | 'text2text-generation';

/** The number of rows, columns… that the manifest records; all values are plain. */
export type Dimensions = Readonly<Record<string, number | string | boolean>>;

/** A tensor that a checkpoint of the architecture must have. */
export interface TensorSpec {
  /** Canonical name. */
  readonly name: string;
  readonly shape: readonly number[];
}

/** A graph output under fsb's name and under the ecosystem's. */
export interface OutputName {
  /** As in `fsb infer`: last_hidden_state, mlm_logits, class_logits, … */
  readonly name: string;
  /** As other ONNX clients expect it: the main head's is `logits`. */
  readonly graphName: string;
}

/** One ONNX file of a model. */
export interface GraphPlan {
  /** File name without suffix: model, encoder_model, decoder_model_merged. */
  readonly name: string;
  readonly outputs: readonly OutputName[];
  build(options: GraphOptions): Graph;
}

/**
 * A check of a conversion by an independent path: the model cut to its first layer, as a graph over the same weights,
 * against plain float64 arithmetic over the checkpoint's own tensors.
 */
export interface ProbePlan {
  readonly graph: GraphPlan;
  /** The graph's inputs for one row of ids, and leading values of its outputs as they must be. */
  expect(ids: readonly number[], read: ReadTensor): Promise<ProbeExpectation>;
}

export interface ProbeExpectation {
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  /** By fsb's output names, flat in row-major order. */
  readonly outputs: Readonly<Record<string, readonly number[]>>;
}

/** A checkpoint understood: everything that conversion needs to know. */
export interface ModelPlan {
  readonly architecture: ArchitectureName;
  /** Hub tag of the main head. */
  readonly task: Task;
  readonly dimensions: Dimensions;
  /** What the graphs are tuned for: many tokens at once, or one after the other. */
  readonly workload: 'encoder' | 'decoder';
  /** Class names in logit order; null when the model has no classifier. */
  readonly labels: readonly string[] | null;
  readonly tensors: readonly TensorSpec[];
  /** Canonical names that repeat another tensor: the runtime uses the other one. */
  readonly aliases: Readonly<Record<string, string>>;
  /** Tokens that the family's tokenizer class appends to the vocabulary file, in the order of their ids. */
  readonly addedTokens?: readonly string[];
  /** Norms whose output only matrices read: a pre-LN model's. They can take factors over from those matrices. */
  readonly smoothable?: readonly NormReaders[];
  readonly graphs: readonly GraphPlan[];
  readonly probe: ProbePlan;
}

/** config.json, unchecked. */
export type ConfigJson = Readonly<Record<string, unknown>>;

export interface Architecture {
  /** The name in the registry and in manifest.json. */
  readonly name: ArchitectureName;
  /** Decides by tensors, not by model_type. */
  matches(tensors: Tensors): boolean;
  /** Canonical names of stored buffers that carry no weights and are dropped. */
  readonly buffers: readonly RegExp[];
  /**
   * Reads the dimensions from the tensors and the rest from config.json.
   * @throws IntegrityError when a tensor that gives a dimension is missing, UnsupportedError for an unknown activation
   */
  plan(tensors: Tensors, config: ConfigJson): ModelPlan;
}

/** Weights of a model, tied ones once, buffers not. */
export function parametersOf({ tensors }: ModelPlan): number {
  return tensors.reduce((sum, { shape }) => sum + elementCountOf(shape), 0);
}
