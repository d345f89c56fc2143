/** fill-mask: which tokens stand where the text says [MASK]. */
import { logSumExp, topK } from '../tensor/math.ts';
import { UsageError } from '../util/errors.ts';
import type { Encoder, RowOutput } from './encoder.ts';
import { encodeText, type Truncated, truncatedMark } from './texts.ts';

export interface FillMaskOptions {
  /** Candidates per mask. @default 5 */
  readonly topK?: number;
  /** Only these tokens are ranked; their probabilities stay those over the whole vocabulary. */
  readonly targets?: readonly string[] | undefined;
  readonly signal?: AbortSignal;
}

export interface Candidate {
  readonly token: string;
  readonly id: number;
  /** Softmax over the whole vocabulary. */
  readonly probability: number;
  readonly logit: number;
}

export interface MaskResult {
  /** Position of the mask in the encoded text, [CLS] being 0. */
  readonly index: number;
  readonly candidates: readonly Candidate[];
}

export interface FillMaskResult extends Truncated {
  readonly text: string;
  readonly masks: readonly MaskResult[];
}

/**
 * The likeliest tokens for each [MASK] of a text.
 * @throws UsageError when the text has no mask within the model's length, or a target is no single token
 */
export async function fillMask(model: Encoder, text: string, options: FillMaskOptions = {}): Promise<FillMaskResult> {
  const tokenizer = model.requireTokenizer();
  const mask = tokenizer.specialTokens.mask;
  const row = encodeText(model, { text });
  const positions = row.ids.flatMap((id, index) => (id === mask?.id ? [index] : []));
  if (!mask || positions.length === 0)
    throw new UsageError(
      `no ${mask?.token ?? 'mask token'} in ${JSON.stringify(text)}${row.truncated ? ` within the first ${model.maxLength} tokens` : ''}`,
      {
        code: 'no-mask',
        hint: `write ${mask?.token ?? '[MASK]'} where the model is to fill in, as in: 床前明${mask?.token ?? '[MASK]'}光`,
      },
    );
  const targets = options.targets?.map((target) => targetId(model, target));
  const [logits] = (await model.logitsAt([row], [positions], { signal: options.signal })) as [RowOutput];
  const columns = logits.shape[1]!;
  return {
    text,
    ...truncatedMark(row),
    masks: positions.map((index, k) => {
      const position = logits.values.subarray(k * columns, (k + 1) * columns);
      return { index, candidates: rank(model, position, targets, options.topK ?? 5) };
    }),
  };
}

// --- internal ---

/** Ranks real tokens only: the embedding's padding rows take part neither in the sum nor in the ranking. */
function rank(model: Encoder, logits: Float32Array, targets: readonly number[] | undefined, k: number): Candidate[] {
  const real = logits.subarray(0, model.vocabularySize);
  const total = logSumExp(real);
  const ids = targets ? [...targets].sort((a, b) => real[b]! - real[a]!).slice(0, k) : topK(real, k);
  return ids.map((id) => ({
    token: model.requireTokenizer().tokenOf(id) ?? '',
    id,
    probability: Math.exp(real[id]! - total),
    logit: real[id]!,
  }));
}

function targetId(model: Encoder, target: string): number {
  const tokenizer = model.requireTokenizer();
  const { ids } = tokenizer.encodeIds(target, { addSpecialTokens: false });
  const [id] = ids;
  if (ids.length === 1 && id !== undefined && id !== tokenizer.specialTokens.unk?.id) return id;
  throw new UsageError(
    `target ${JSON.stringify(target)} is ${ids.length === 1 ? 'not in the vocabulary' : `${ids.length} tokens`}; a mask takes one token`,
    {
      code: 'bad-target',
    },
  );
}
