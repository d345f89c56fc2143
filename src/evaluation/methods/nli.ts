/**
 * NLI (Yin et al. 2019, arXiv:1909.00161): a model that was trained to tell entailment reads the text as premise and a
 * sentence per label as hypothesis; the label whose sentence is entailed most wins. Score = entailment logit, as in
 * transformers' zero-shot-classification pipeline. Where the task itself asks whether one sentence follows from another,
 * the classes are read off directly: one reading per example.
 */
import type { Encoder } from '../../pipelines/encoder.ts';
import { encodeText } from '../../pipelines/texts.ts';
import { logSumExp } from '../../tensor/math.ts';
import { UnsupportedError } from '../../util/errors.ts';
import type { ClueTask, NliPrompt } from '../clue-task.ts';
import type { Example } from '../dataset.ts';
import { HEAD_BATCH_TOKENS } from './head.ts';
import { encodeAll, type Method } from './method.ts';
import { fillPrompt, labelWords } from './prompt.ts';

/** How classifiers in the wild call the classes of inference. "not entailment" is whatever is no entailment. */
const CLASSES = {
  entailment: /^(entailment|entail|entailed|蕴含|蕴涵)$/i,
  neutral: /^(neutral|中立|自然|无关)$/i,
  contradiction: /^(contradiction|contradict|contradictory|矛盾)$/i,
} as const;

export type NliClass = keyof typeof CLASSES;

/** The index of a class among a classifier's labels; undefined where it has none. */
export function classColumn(labels: readonly string[], wanted: NliClass): number | undefined {
  const index = labels.findIndex((label) => CLASSES[wanted].test(label.trim()));
  return index < 0 ? undefined : index;
}

/** True for a classifier that tells entailment from something else. */
export function isNliHead(labels: readonly string[] | null): boolean {
  return labels !== null && labels.length >= 2 && classColumn(labels, 'entailment') !== undefined;
}

/** Throws UnsupportedError for a model whose head knows no entailment, or not the classes that the task asks for. */
export function nliMethod(model: Encoder, task: ClueTask, prompt: NliPrompt): Method {
  const labels = model.manifest.labels ?? [];
  const entailment = classColumn(labels, 'entailment');
  if (!model.has('class_logits') || entailment === undefined)
    throw new UnsupportedError(
      `${model.manifest.name} has no classification head with a class called entailment (蕴含); found ${labels.join(', ') || 'no labels'}`,
      { code: 'no-entailment', hint: 'take a model tuned on inference, such as erlangshen-roberta-110m-nli' },
    );
  const read = prompt.classes ? classScores(model, task, prompt.classes, labels) : undefined;
  const maxLength = Math.min(task.maxLength, model.maxLength);
  const encode = (example: Example) => {
    const premise = fillPrompt(prompt.premise ?? '{text}', example);
    const hypotheses = read
      ? [fillPrompt(prompt.hypothesis, example)]
      : labelWords(task, prompt.words ?? {}, example).map((label) => fillPrompt(prompt.hypothesis, example, { label }));
    return hypotheses.map((pair) => encodeText(model, { text: premise, pair }, maxLength));
  };
  return {
    name: 'nli',
    maxLength,
    details: { ...prompt, entailment: labels[entailment] },
    batchTokens: HEAD_BATCH_TOKENS,
    async prepare(examples, signal) {
      const rows = await encodeAll(examples, encode, signal);
      return {
        lengths: rows.map((readings) => Math.max(...readings.map(({ ids }) => ids.length))),
        async score(indices, stop) {
          const readings = indices.flatMap((index) => rows[index]!);
          const logits: Float32Array[] = [];
          // as many at a time as the batch has examples: that is what its budget of tokens allows
          for (let at = 0; at < readings.length; at += indices.length) {
            const outputs = await model.run(readings.slice(at, at + indices.length), ['class_logits'], stop);
            logits.push(...outputs.map(([output]) => output!.values));
          }
          let next = 0;
          return indices.map((index) => {
            const own = rows[index]!.map(() => logits[next++]!);
            return read ? read(own[0]!) : Float32Array.from(own, (row) => row[entailment]!);
          });
        },
      };
    },
  };
}

// --- internal ---

/** From the logits of inference to one score per label of the task. */
function classScores(
  model: Encoder,
  task: ClueTask,
  classes: NonNullable<NliPrompt['classes']>,
  labels: readonly string[],
): (logits: Float32Array) => Float32Array {
  const entailment = classColumn(labels, 'entailment')!;
  const others = labels.map((_, i) => i).filter((i) => i !== entailment);
  const readers = task.labels.map(({ value }) => {
    const wanted = classes[value]!;
    if (wanted === 'not-entailment')
      return (logits: Float32Array) => logSumExp(Float32Array.from(others, (i) => logits[i]!));
    const column = classColumn(labels, wanted);
    if (column === undefined)
      throw new UnsupportedError(
        `${task.name} asks for ${wanted}, which the head of ${model.manifest.name} does not have; found ${labels.join(', ')}`,
        { code: 'no-such-class' },
      );
    return (logits: Float32Array) => logits[column]!;
  });
  return (logits) => Float32Array.from(readers, (reader) => reader(logits));
}
