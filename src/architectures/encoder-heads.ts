/**
 * The heads that every BERT-like encoder here shares, under the same tensor names: pooler, masked-language-model
 * head with the tied embedding, next-sentence head, classifiers, question answering. A checkpoint has the heads
 * whose tensors it holds. Source: transformers/models/megatron_bert/modeling_megatron_bert.py (v4.57).
 */
import type { Graph, Value } from '../onnx/graph.ts';
import { type Activation, biasedActivation, firstToken, layerNorm } from '../onnx/ops.ts';
import { dense, linear } from '../onnx/products.ts';
import type { ConfigJson, OutputName, Task, TensorSpec } from './architecture.ts';
import { labelsField, namesClass } from './config-json.ts';
import { logitPositions, type PositionLogits } from './logit-positions.ts';
import type { Tensors } from './tensors.ts';

/** What the classifier reads: the pooled first token, or every token. */
export type ClassifierKind = 'sequence' | 'multiple-choice' | 'token';

const CLASSIFIER_TASKS = {
  sequence: 'text-classification',
  'multiple-choice': 'multiple-choice',
  token: 'token-classification',
} as const satisfies Record<ClassifierKind, Task>;

export interface EncoderHeads {
  readonly pooler: boolean;
  /** transform = dense, activation, LayerNorm before the tied projection; Zhouwenwang's files may lack it. */
  readonly mlm: { readonly transform: boolean; readonly bias: boolean } | null;
  readonly seqRelationship: boolean;
  readonly classifier: { readonly kind: ClassifierKind; readonly labels: readonly string[] } | null;
  readonly questionAnswering: boolean;
}

export interface HeadDimensions {
  readonly hiddenSize: number;
  readonly vocabularyRows: number;
  readonly activation: Activation;
  readonly layerNormEps: number;
}

export const WORD_EMBEDDINGS = 'embeddings.word_embeddings.weight';

/** Tensors that repeat others: transformers ties them whatever the file holds, unless tie_word_embeddings is false. */
export const ENCODER_ALIASES: Readonly<Record<string, string>> = {
  'cls.predictions.decoder.weight': WORD_EMBEDDINGS,
  'cls.predictions.decoder.bias': 'cls.predictions.bias',
};

/** Finds the heads of a checkpoint by its tensors. */
export function findHeads(tensors: Tensors, config: ConfigJson): EncoderHeads {
  const pooler = tensors.has('pooler.dense.weight');
  const classes = tensors.has('classifier.weight') ? tensors.shapeOf('classifier.weight', 'classes', 'H')[0]! : 0;
  let kind: ClassifierKind = 'sequence';
  if (namesClass(config, 'ForMultipleChoice')) kind = 'multiple-choice';
  else if (!pooler || namesClass(config, 'ForTokenClassification')) kind = 'token';
  return {
    pooler,
    mlm: tensors.some(/^cls\.predictions\.(transform|bias)/)
      ? { transform: tensors.some(/^cls\.predictions\.transform\./), bias: true }
      : null,
    seqRelationship: tensors.has('cls.seq_relationship.weight'),
    classifier: classes ? { kind, labels: labelsField(config, classes) } : null,
    questionAnswering: tensors.has('qa_outputs.weight'),
  };
}

/** The tensors that the found heads need. */
export function headTensors(heads: EncoderHeads, { hiddenSize: H, vocabularyRows: V }: HeadDimensions): TensorSpec[] {
  const specs: TensorSpec[] = [];
  const need = (name: string, ...shape: number[]): void => void specs.push({ name, shape });
  if (heads.pooler) {
    need('pooler.dense.weight', H, H);
    need('pooler.dense.bias', H);
  }
  if (heads.mlm?.transform) {
    need('cls.predictions.transform.dense.weight', H, H);
    need('cls.predictions.transform.dense.bias', H);
    need('cls.predictions.transform.LayerNorm.weight', H);
    need('cls.predictions.transform.LayerNorm.bias', H);
  }
  if (heads.mlm?.bias) need('cls.predictions.bias', V);
  if (heads.seqRelationship) {
    need('cls.seq_relationship.weight', 2, H);
    need('cls.seq_relationship.bias', 2);
  }
  if (heads.classifier) {
    need('classifier.weight', heads.classifier.labels.length, H);
    need('classifier.bias', heads.classifier.labels.length);
  }
  if (heads.questionAnswering) {
    need('qa_outputs.weight', 2, H);
    need('qa_outputs.bias', 2);
  }
  return specs;
}

/** Output names; the main head's is `logits` for other clients: classifier before MLM before next-sentence. */
export function headOutputs(heads: EncoderHeads): OutputName[] {
  const logits: string[] = [];
  if (heads.classifier) logits.push(heads.classifier.kind === 'token' ? 'token_logits' : 'class_logits');
  if (heads.mlm) logits.push('mlm_logits');
  if (heads.seqRelationship) logits.push('seq_relationship_logits');
  const outputs = ['last_hidden_state', ...(heads.pooler ? ['pooler_output'] : [])].map((name) => ({
    name,
    graphName: name,
  }));
  outputs.push(...logits.map((name, i) => ({ name, graphName: i === 0 ? 'logits' : name })));
  if (heads.questionAnswering)
    outputs.push(...['start_logits', 'end_logits'].map((name) => ({ name, graphName: name })));
  return outputs;
}

/** The Hub's tag for the main head. */
export function headTask(heads: EncoderHeads): Task {
  if (heads.classifier) return CLASSIFIER_TASKS[heads.classifier.kind];
  if (heads.questionAnswering) return 'question-answering';
  return heads.mlm ? 'fill-mask' : 'feature-extraction';
}

/** Adds the heads on the last hidden state h (B, T, H) and names the graph's outputs. `logitsOf`: where the graph has one. */
export function buildHeads(
  graph: Graph,
  h: Value,
  heads: EncoderHeads,
  size: HeadDimensions,
  logitsOf?: PositionLogits,
): void {
  const { hiddenSize: H, activation, layerNormEps } = size;
  const [batch, length] = h.shape;
  const values: Record<string, Value> = { last_hidden_state: h };

  if (heads.pooler) {
    const first = firstToken(graph, '/pooler', h); // (B, H)
    const projected = dense(graph, '/pooler/dense', first, 'pooler.dense', H, H);
    values.pooler_output = graph.op('/pooler/Tanh', 'Tanh', [projected], [batch!, H]);
  }
  if (heads.mlm) {
    let x = h;
    if (heads.mlm.transform) {
      const prefix = 'cls.predictions.transform';
      const product = linear(graph, '/mlm/dense', h, {
        tensors: [`${prefix}.dense.weight`],
        inFeatures: H,
        outFeatures: H,
      });
      const active = biasedActivation(graph, '/mlm', product, graph.tensor(`${prefix}.dense.bias`, [H]), activation);
      x = layerNorm(graph, '/mlm', active, `${prefix}.LayerNorm`, layerNormEps);
    }
    const table = { tensor: WORD_EMBEDDINGS, rows: size.vocabularyRows, size: H };
    const bias = heads.mlm.bias ? graph.tensor('cls.predictions.bias', [size.vocabularyRows]) : undefined;
    // after the transform, whose int8 form rounds by what all rows have in common: the logits stay the same to the bit
    values.mlm_logits = (logitsOf ?? logitPositions(graph))('/mlm/decoder', x, table, bias); // (B, T, V)
  }
  if (heads.seqRelationship)
    values.seq_relationship_logits = dense(
      graph,
      '/seq_relationship',
      values.pooler_output!,
      'cls.seq_relationship',
      H,
      2,
    );
  if (heads.classifier) {
    const { kind, labels } = heads.classifier;
    const x = kind === 'token' ? h : values.pooler_output!;
    values[kind === 'token' ? 'token_logits' : 'class_logits'] = dense(
      graph,
      '/classifier',
      x,
      'classifier',
      H,
      labels.length,
    );
  }
  if (heads.questionAnswering) {
    const both = dense(graph, '/qa_outputs', h, 'qa_outputs', H, 2); // (B, T, 2)
    for (const [i, name] of ['start_logits', 'end_logits'].entries())
      values[name] = graph.op(
        `/qa_outputs/${name}/Gather`,
        'Gather',
        [both, graph.integers([i], [])],
        [batch!, length!],
        {
          attributes: { axis: 2 },
        },
      );
  }
  for (const { name, graphName } of headOutputs(heads)) graph.output(graphName, values[name]!);
}
