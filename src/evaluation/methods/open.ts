/** Opens a model for the method it is to answer by, or for the one that suits what it can do. */
import { Decoder, decoderGraph } from '../../pipelines/decoder.ts';
import { Encoder, type OpenModelOptions } from '../../pipelines/encoder.ts';
import { EncoderDecoder } from '../../pipelines/encoder-decoder.ts';
import { type Manifest, readManifest } from '../../registry/manifest.ts';
import { UnsupportedError } from '../../util/errors.ts';
import type { ClueTask } from '../clue-task.ts';
import type { LabelOrder } from '../labels.ts';
import { clozeMethod } from './cloze.ts';
import { fineTunedMethod } from './fine-tuned.ts';
import { infillMethod } from './infill.ts';
import { lmMethod } from './lm.ts';
import type { Method, MethodName } from './method.ts';

export type LmForm = 'label-last' | 'label-first';

export interface AskedMethod {
  readonly labelOrder?: LabelOrder | undefined;
  /** Where the label stands in a left-to-right prompt. @default "label-last" */
  readonly lmForm?: LmForm | undefined;
  readonly maxLength?: number | undefined;
}

/** A model opened in the way a method needs. */
export interface AnsweringModel {
  readonly manifest: Manifest;
  readonly device: string;
  readonly runtime: string;
  /** Throws UnsupportedError for a folder without tokenizer files. */
  requireTokenizer(): ReturnType<Encoder['requireTokenizer']>;
  /** Throws UnsupportedError when the model or the task lacks what the method needs. */
  method(task: ClueTask, asked: AskedMethod): Method;
  dispose(): Promise<void>;
}

/**
 * What suits a model: its head when it has one; else likelihood where it reads left to right (Zhouwenwang fills masks
 * too, but a likelihood is the truer question), gaps for encoder-decoders, and masks for the rest.
 * Throws UnsupportedError for a model that can do nothing of this.
 */
export function chooseMethod(
  manifest: Manifest,
  among: readonly MethodName[] = Object.keys(KINDS) as MethodName[],
): MethodName {
  const found = among.find((name) => KINDS[name].can(manifest));
  if (found) return found;
  throw new UnsupportedError(`${manifest.name} has neither a fine-tuned head nor a language model head`, {
    code: 'cannot-evaluate',
    hint: 'it gives vectors only (fsb embed)',
  });
}

/** Opens a model folder for a method; "auto" is chooseMethod's. */
export async function openForMethod(
  folder: string,
  asked: MethodName | 'auto',
  options: OpenModelOptions = {},
): Promise<AnsweringModel> {
  const manifest = await readManifest(folder);
  const name = asked === 'auto' ? chooseMethod(manifest) : asked;
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
  open(folder: string, options: OpenModelOptions): Promise<AnsweringModel>;
}

const has = (manifest: Manifest, output: string): boolean =>
  manifest.graphs.some(({ outputs }) => outputs.some(({ name }) => name === output));

/** In the order of preference. */
const KINDS: Readonly<Record<MethodName, Kind>> = {
  head: {
    needs: 'it has no fine-tuned head',
    can: (manifest) => (manifest.labels !== null && has(manifest, 'class_logits')) || has(manifest, 'start_logits'),
    open: async (folder, options) => answering(await Encoder.open(folder, options), fineTunedMethod),
  },
  infill: {
    needs: 'it is no encoder-decoder',
    can: EncoderDecoder.canOpen,
    open: async (folder, options) =>
      answering(await EncoderDecoder.open(folder, options), (model, task) =>
        infillMethod(model, task, promptOf(task, 'infill', 'infill')),
      ),
  },
  lm: {
    needs: 'it does not read left to right',
    can: (manifest) => !EncoderDecoder.canOpen(manifest) && decoderGraph(manifest) !== undefined,
    open: async (folder, options) =>
      answering(await Decoder.open(folder, options), (model, task, { lmForm }) =>
        lmMethod(model, task, promptOf(task, lmForm === 'label-first' ? 'lmLabelFirst' : 'lm', 'lm')),
      ),
  },
  cloze: {
    needs: 'it has no masked language model head',
    can: (manifest) => Encoder.canOpen(manifest) && has(manifest, 'mlm_logits'),
    open: async (folder, options) =>
      answering(await Encoder.open(folder, options), (model, task) =>
        clozeMethod(model, task, promptOf(task, 'cloze', 'cloze')),
      ),
  },
};

function answering<M extends Encoder | Decoder | EncoderDecoder>(
  model: M,
  method: (model: M, task: ClueTask, asked: AskedMethod) => Method,
): AnsweringModel {
  return {
    manifest: model.manifest,
    device: model.device,
    runtime: model.runtime,
    requireTokenizer: () => model.requireTokenizer(),
    method: (task, asked) => method(model, task, asked),
    dispose: () => model.dispose(),
  };
}

function promptOf<K extends keyof NonNullable<ClueTask['prompts']>>(
  task: ClueTask,
  key: K,
  method: MethodName,
): NonNullable<NonNullable<ClueTask['prompts']>[K]> {
  const prompt = task.prompts?.[key];
  if (prompt) return prompt;
  const others = Object.keys(task.prompts ?? {});
  throw new UnsupportedError(
    `${task.name} has no prompt for ${method}${key === 'lmLabelFirst' ? ' with the label first' : ''}`,
    {
      code: 'no-prompt',
      hint:
        others.length > 0 ? `it has prompts for ${others.join(', ')}` : 'evaluate a model that was fine-tuned for it',
    },
  );
}
