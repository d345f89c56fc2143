/** Opens a model for the method it is to answer by, or for the one that suits it and the task. */
import { Decoder, decoderGraph } from '../../pipelines/decoder.ts';
import { Encoder, type OpenModelOptions, type Tokenizer } from '../../pipelines/encoder.ts';
import { EncoderDecoder } from '../../pipelines/encoder-decoder.ts';
import { type Manifest, readManifest } from '../../registry/manifest.ts';
import { UnsupportedError, UsageError } from '../../util/errors.ts';
import type { ClueTask, Prompts } from '../clue-task.ts';
import { isClassifierOf, type LabelOrder } from '../labels.ts';
import { defaultTrainSplit } from '../training-splits.ts';
import { clozeMethod } from './cloze.ts';
import { fineTunedMethod } from './fine-tuned.ts';
import { infillMethod } from './infill.ts';
import { lmMethod } from './lm.ts';
import type { Method, MethodName } from './method.ts';
import { isNliHead, nliMethod } from './nli.ts';
import { type KnownFeatures, type ProbeTraining, probeMethod } from './probe.ts';
import { unimcMethod } from './unimc.ts';

export type LmForm = 'label-last' | 'label-first';

export interface AskedMethod {
  readonly labelOrder?: LabelOrder | undefined;
  /** Where the label stands in a left-to-right prompt. @default "label-last" */
  readonly lmForm?: LmForm | undefined;
  readonly maxLength?: number | undefined;
  /** What a probe is trained on; probe and few-shot need it. */
  readonly training?: ProbeTraining | undefined;
}

/** A model opened in the way a method needs. */
export interface AnsweringModel {
  readonly manifest: Manifest;
  readonly device: string;
  readonly runtime: string;
  /** The method it was opened for: what "auto" became. */
  readonly methodName: MethodName;
  /** Throws UnsupportedError for a folder without tokenizer files. */
  requireTokenizer(): Tokenizer;
  /** Throws UnsupportedError when the model or the task lacks what the method needs. Trains a probe where that is the method. */
  method(task: ClueTask, asked: AskedMethod): Promise<Method>;
  dispose(): Promise<void>;
}

/** What is to be answered, and by which method. */
export interface MethodRequest {
  readonly method: MethodName | 'auto';
  readonly task: ClueTask;
  /** With an order, a head of the right size is the task's, whatever its labels are called. */
  readonly labelOrder?: LabelOrder | undefined;
}

/**
 * What suits a model and a task: the head when its labels are the task's; else an entailment head's opinion of hypotheses;
 * else choices for a UniMC model; else gaps for encoder-decoders, likelihood where the model reads left to right
 * (Zhouwenwang fills masks too, but a likelihood is the truer question), masks; and a probe where there is no
 * prompt but a train split.
 * A head for something else stays a head, whose error says what is wrong. Throws UnsupportedError for a model that can do
 * nothing of this.
 */
export function chooseMethod(
  manifest: Manifest,
  task: ClueTask,
  labelOrder?: LabelOrder,
  among: readonly MethodName[] = Object.keys(KINDS) as MethodName[],
): MethodName {
  const found = among.find((name) => KINDS[name].can(manifest) && KINDS[name].suits(manifest, task, labelOrder));
  if (found) return found;
  const can = (Object.keys(KINDS) as MethodName[]).filter((name) => KINDS[name].can(manifest));
  const prompts = Object.keys(task.prompts ?? {});
  throw new UnsupportedError(
    `${manifest.name} can answer by ${can.join(', ') || 'no method'}; ${task.name} has prompts for ${prompts.join(', ') || 'none'} and ${defaultTrainSplit(task) ? 'a' : 'no'} train split`,
    {
      code: 'cannot-evaluate',
      hint: can.length > 0 ? 'give the task a prompt or a train split' : 'it gives vectors only',
    },
  );
}

/** Opens a model folder for a method; "auto" is chooseMethod's. */
export async function openForMethod(
  folder: string,
  { method, task, labelOrder }: MethodRequest,
  options: OpenModelOptions = {},
): Promise<AnsweringModel> {
  const manifest = await readManifest(folder);
  const name = method === 'auto' ? chooseMethod(manifest, task, labelOrder) : method;
  if (!KINDS[name].can(manifest) && name !== 'head')
    throw new UnsupportedError(`${manifest.name} cannot answer by ${name}: ${KINDS[name].needs}`, {
      code: 'method-unsupported',
      hint: 'leave --method out, and fsb takes what the model can do',
    });
  return KINDS[name].open(folder, options);
}

// --- internal ---

interface Kind {
  readonly needs: string;
  can(manifest: Manifest): boolean;
  /** Whether "auto" takes it for the task, given that the model can. */
  suits(manifest: Manifest, task: ClueTask, labelOrder: LabelOrder | undefined): boolean;
  open(folder: string, options: OpenModelOptions): Promise<AnsweringModel>;
}

const has = (manifest: Manifest, output: string): boolean =>
  manifest.graphs.some(({ outputs }) => outputs.some(({ name }) => name === output));

const hasHead = (manifest: Manifest): boolean => manifest.labels !== null && has(manifest, 'class_logits');

/** In the order of preference. */
const KINDS: Readonly<Record<MethodName, Kind>> = {
  nli: {
    needs: 'it has no classification head that knows entailment',
    can: (manifest) => hasHead(manifest) && isNliHead(manifest.labels),
    suits: (manifest, task, labelOrder) =>
      task.prompts?.nli !== undefined && !isClassifierOf(task, manifest.labels ?? [], labelOrder),
    open: async (folder, options) =>
      answering('nli', await Encoder.open(folder, options), (model, task) =>
        nliMethod(model, task, promptOf(task, 'nli')),
      ),
  },
  head: {
    needs: 'it has no fine-tuned head',
    can: (manifest) => hasHead(manifest) || has(manifest, 'start_logits'),
    suits: () => true,
    open: async (folder, options) => answering('head', await Encoder.open(folder, options), fineTunedMethod),
  },
  unimc: {
    needs: 'it has no masked language model head',
    can: (manifest) => KINDS.cloze.can(manifest),
    // only models that were trained on its form can be expected to answer
    suits: ({ name }, task) => /unimc/i.test(name) && task.prompts?.unimc !== undefined,
    open: async (folder, options) =>
      answering('unimc', await Encoder.open(folder, options), (model, task) =>
        unimcMethod(model, task, promptOf(task, 'unimc')),
      ),
  },
  infill: {
    needs: 'it is no encoder-decoder',
    can: EncoderDecoder.canOpen,
    suits: (_, task) => task.prompts?.infill !== undefined,
    open: async (folder, options) =>
      answering('infill', await EncoderDecoder.open(folder, options), (model, task) =>
        infillMethod(model, task, promptOf(task, 'infill')),
      ),
  },
  lm: {
    needs: 'it does not read left to right',
    can: (manifest) => !EncoderDecoder.canOpen(manifest) && decoderGraph(manifest) !== undefined,
    suits: (_, task) => task.prompts?.lm !== undefined,
    open: async (folder, options) =>
      answering('lm', await Decoder.open(folder, options), (model, task, { lmForm }) =>
        lmMethod(model, task, promptOf(task, lmForm === 'label-first' ? 'lmLabelFirst' : 'lm')),
      ),
  },
  cloze: {
    needs: 'it has no masked language model head',
    can: (manifest) => Encoder.canOpen(manifest) && (has(manifest, 'mlm_logits') || has(manifest, 'lm_logits')),
    suits: (_, task) => task.prompts?.cloze !== undefined,
    open: async (folder, options) =>
      answering('cloze', await Encoder.open(folder, options), (model, task) =>
        clozeMethod(model, task, promptOf(task, 'cloze')),
      ),
  },
  probe: {
    needs: 'it is no encoder, whose vectors a probe is trained on',
    can: Encoder.canOpen,
    suits: (_, task) => defaultTrainSplit(task) !== undefined,
    open: async (folder, options) =>
      answering('probe', await Encoder.open(folder, options), (model, task, asked) =>
        probeMethod(model, task, trainingOf(task, asked), 'probe'),
      ),
  },
  'few-shot': {
    needs: 'it is no encoder, whose vectors a probe is trained on',
    can: Encoder.canOpen,
    suits: () => false, // several answers to one question: only when asked for
    open: async (folder, options) => {
      // the folds' probes are scored on the same examples
      const known: KnownFeatures = new WeakMap();
      return answering('few-shot', await Encoder.open(folder, options), (model, task, asked) =>
        probeMethod(model, task, trainingOf(task, asked), 'few-shot', known),
      );
    },
  },
};

function answering<M extends Encoder | Decoder | EncoderDecoder>(
  methodName: MethodName,
  model: M,
  method: (model: M, task: ClueTask, asked: AskedMethod) => Method | Promise<Method>,
): AnsweringModel {
  return {
    manifest: model.manifest,
    device: model.device,
    runtime: model.runtime,
    methodName,
    requireTokenizer: () => model.requireTokenizer(),
    method: async (task, asked) => method(model, task, asked),
    dispose: () => model.dispose(),
  };
}

function trainingOf(task: ClueTask, { training }: AskedMethod): ProbeTraining {
  if (training) return training;
  throw new UsageError(`${task.name}: a probe needs rows to be trained on`, { code: 'no-training-rows' });
}

function promptOf<K extends keyof Prompts>(task: ClueTask, key: K): NonNullable<Prompts[K]> {
  const prompt = task.prompts?.[key];
  if (prompt) return prompt;
  const others = Object.keys(task.prompts ?? {});
  throw new UnsupportedError(
    `${task.name} has no prompt for ${key === 'lmLabelFirst' ? 'lm with the label first' : key}`,
    {
      code: 'no-prompt',
      hint:
        others.length > 0 ? `it has prompts for ${others.join(', ')}` : 'evaluate a model that was fine-tuned for it',
    },
  );
}
