/**
 * Probe: a logistic regression that fsb trains on the frozen encoder's pooled vectors of a train split (Alain & Bengio,
 * arXiv:1610.01644). What a base model's vectors know of a task, without changing the model. With FewCLUE's folds for
 * train and held-out rows it is the few-shot method.
 */
import { rm } from 'node:fs/promises';
import type { Pooling } from '../../pipelines/embed.ts';
import type { Encoder } from '../../pipelines/encoder.ts';
import { UsageError } from '../../util/errors.ts';
import type { ClueTask } from '../clue-task.ts';
import type { Example, LoadedSplit } from '../dataset.ts';
import { type ComputedFeatures, computeFeatures } from '../probe/compute-features.ts';
import type { FeatureIdentity } from '../probe/feature-file.ts';
import { type FeatureReader, featureReader, variantsOf } from '../probe/features.ts';
import { headLogits, type LinearHead } from '../probe/logistic-regression.ts';
import { readProbe, writeProbe } from '../probe/probe-file.ts';
import { type TrainedProbe, type TrainingSet, trainProbe } from '../probe/train.ts';
import { HEAD_BATCH_TOKENS } from './head.ts';
import { encodeAll, type Method } from './method.ts';

/** What a probe is trained on. */
export interface ProbeTraining {
  readonly train: LoadedSplit;
  /** Examples to choose the penalty by. @default a seeded part of `train` */
  readonly validation?: LoadedSplit | undefined;
  /** Scored examples that are among the training ones as well: what their answers are worth. */
  readonly overlap: number;
  /** How token vectors become one. @default "mean" */
  readonly pooling?: Pooling | undefined;
  /** Seed of the held-out part. */
  readonly seed: number;
  /** @default what suits the model's heads */
  readonly batchTokens?: number | undefined;
  /** Features are kept in `<files>.features` until the probe stands in `<files>.probe.json`. @default nowhere */
  readonly files?: string | undefined;
  /** Take from those files what is there. @default false */
  readonly resume?: boolean | undefined;
  /** Training rows whose features are there. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Penalties tried so far, and how many there are at most. */
  readonly onStep?: ((tried: number, total: number) => void) | undefined;
  readonly onTrained?: ((probe: TrainedProbe) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Vectors of scored examples, kept for several probes over the same ones. */
export type KnownFeatures = WeakMap<Example, Float32Array>;

/** Trains, or takes the trained probe of a former run. Throws UsageError for training rows without labels. */
export async function probeMethod(
  model: Encoder,
  task: ClueTask,
  training: ProbeTraining,
  name: 'probe' | 'few-shot' = 'probe',
  known?: KnownFeatures,
): Promise<Method> {
  const { train, validation, overlap, pooling = 'mean', seed } = training;
  for (const { labelled, file } of [train, ...(validation ? [validation] : [])])
    if (!labelled) throw new UsageError(`${file} has no labels to train on`, { code: 'unlabelled-split' });
  const maxLength = Math.min(task.maxLength, model.maxLength);
  const reader = featureReader(model, task, { pooling, maxLength });
  const { head, l2, fitted, heldOut } = await trained(model, task, training, reader, maxLength);
  return {
    name,
    maxLength,
    details: {
      trainSplit: train.split,
      trainMd5: train.md5,
      trainExamples: train.examples.length,
      trainAvailable: train.available,
      trainSampleSeed: train.sampleSeed ?? null,
      heldOut: validation ? validation.split : `${heldOut} examples of ${train.split}, by seed ${seed}`,
      fitted: validation ? fitted : fitted + heldOut,
      ...{ pooling, features: head.size, l2, overlap },
    },
    batchTokens: HEAD_BATCH_TOKENS,
    async prepare(examples, signal) {
      const rows = await encodeAll(examples, (example) => reader.encode(example), signal);
      return {
        lengths: rows.map((variants) => variants.reduce((sum, { ids }) => sum + ids.length, 0)),
        async score(indices, stop) {
          const missing = indices.filter((index) => !known?.has(examples[index]!));
          const batch = missing.map((index) => rows[index]!);
          const read = batch.length > 0 ? await reader.read(batch, stop) : [];
          const found = new Map(missing.map((index, i) => [index, read[i]!]));
          for (const [index, features] of found) known?.set(examples[index]!, features);
          return indices.map((index) => scoresOf(task, head, found.get(index) ?? known!.get(examples[index]!)!));
        },
      };
    },
  };
}

// --- internal ---

async function trained(
  model: Encoder,
  task: ClueTask,
  training: ProbeTraining,
  reader: FeatureReader,
  maxLength: number,
): Promise<TrainedProbe> {
  const { train, validation, seed, files, resume = false, onTrained, signal } = training;
  const identity = identityOf(model, task, training, maxLength);
  const probeFile = files === undefined ? undefined : `${files}.probe.json`;
  const former = probeFile !== undefined && resume ? await readProbe(probeFile, identity) : undefined;
  if (former) return former;
  const examples = [...train.examples, ...(validation?.examples ?? [])];
  const computed = await computeFeatures({
    reader,
    examples,
    batchTokens: training.batchTokens ?? HEAD_BATCH_TOKENS,
    file: files === undefined ? undefined : `${files}.features`,
    identity,
    resume,
    onProgress: training.onProgress,
    signal,
  });
  // places of the examples: the train split's come first in `examples`
  const places = computed.order.map((_, place) => place);
  const isTrain = (place: number): boolean => computed.order[place]! < train.examples.length;
  const result = await trainProbe({
    train: trainingSet(task, examples, computed, places.filter(isTrain)),
    validation:
      validation &&
      trainingSet(
        task,
        examples,
        computed,
        places.filter((place) => !isTrain(place)),
      ),
    classes: variantsOf(task) > 1 ? 2 : task.labels.length,
    seed,
    onStep: training.onStep,
    signal,
  });
  if (files !== undefined) {
    await writeProbe(`${files}.probe.json`, identity, result);
    await rm(`${files}.features`, { force: true }); // the head holds what they were for
  }
  onTrained?.(result);
  return result;
}

/** The examples at some places with their labels: the task's, or right and wrong for candidates. */
function trainingSet(
  task: ClueTask,
  examples: readonly Example[],
  { features, size, order }: ComputedFeatures,
  places: readonly number[],
): TrainingSet {
  const variants = variantsOf(task);
  const values = task.labels.map(({ value }) => value);
  const labels = places.flatMap((place) => {
    const label = values.indexOf(examples[order[place]!]!.label!);
    return variants > 1 ? values.map((_, i) => (i === label ? 1 : 0)) : [label];
  });
  const isAll = places.length === order.length;
  const own = isAll ? features : new Float32Array(places.length * size);
  if (!isAll)
    for (const [i, place] of places.entries()) own.set(features.subarray(place * size, (place + 1) * size), i * size);
  return { features: own, size: size / variants, labels: Int32Array.from(labels), variants };
}

/** One score per label: the head's logits, or how much likelier each candidate is right than wrong. */
function scoresOf(task: ClueTask, head: LinearHead, features: Float32Array): Float32Array {
  const logits = headLogits(head, features);
  if (variantsOf(task) === 1) return Float32Array.from(logits);
  return Float32Array.from(task.labels, (_, i) => logits[2 * i + 1]! - logits[2 * i]!);
}

/** Everything that the features and the head depend on. */
function identityOf(
  model: Encoder,
  task: ClueTask,
  { train, validation, pooling = 'mean', seed, batchTokens = HEAD_BATCH_TOKENS }: ProbeTraining,
  maxLength: number,
): FeatureIdentity {
  const split = ({ split: name, md5, examples, sampleSeed }: LoadedSplit) => ({
    ...{ name, md5, examples: examples.length, sampleSeed: sampleSeed ?? null },
  });
  return {
    task: task.name,
    model: model.manifest.graphs.map(({ sha256, dataSha256 }) => [sha256, dataSha256]),
    train: split(train),
    validation: validation ? split(validation) : null,
    ...{ pooling, maxLength, seed, batchTokens },
  };
}
