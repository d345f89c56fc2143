/**
 * UniMC (Yang et al., arXiv:2210.08590): the labels stand before the text as choices, each behind a [MASK] of its own, and
 * the logit of 是 at that mask is the choice's score. Choices do not see one another, and the positions of each begin
 * anew, so that none has an advantage of place. Source: Fengshenbang-LM, fengshen/models/unimc/modeling_unimc.py.
 *
 *   ids        [CLS] [MASK] 不 相 似 [MASK] 相 似 [SEP] (question [SEP]) text … [SEP] (pair … [SEP])
 *   types        0     1    1  1  1    1    1  1    1         0  …
 *   positions    0     1    2  3  4    1    2  3    5         6  …
 *   blocks       0     1    1  1  1    2    2  2    0         0  …
 */
import type { Encoder, Row } from '../../pipelines/encoder.ts';
import { UnsupportedError, UsageError } from '../../util/errors.ts';
import type { ClueTask, UnimcPrompt } from '../clue-task.ts';
import type { Example } from '../dataset.ts';
import { CLOZE_BATCH_TOKENS } from './cloze.ts';
import { encodeAll, type Method } from './method.ts';
import { fillPrompt, labelWords } from './prompt.ts';

/** As upstream. */
const MAX_LENGTH = 512;
/** Upstream halves the choices until so many tokens are left for the text. */
const LEAST_ROOM_FOR_TEXT = 32;
/** Upstream trains 是 for the right choice, 非 for the others, and reads the former. */
const YES = '是';
interface UnimcRow extends Row {
  /** Position of each choice's mask. */
  readonly masks: readonly number[];
}

/** Throws UnsupportedError for a model that fills no masks, or whose graph takes no positions or no mask of pairs. */
export function unimcMethod(model: Encoder, task: ClueTask, prompt: UnimcPrompt): Method {
  const tokenizer = model.requireTokenizer();
  const { mask, cls, sep } = tokenizer.specialTokens;
  const yes = tokenizer.idOf(YES);
  const { name, architecture } = model.manifest;
  if (!model.has('mlm_logits') || !mask || !cls || !sep || yes === undefined)
    throw new UnsupportedError(`${name} fills no masks or has no ${YES}, so it cannot be asked by unimc`, {
      code: 'no-mask-token',
    });
  if (!model.takes('position_ids'))
    throw new UnsupportedError(
      `${name} (${architecture}) has no positions that could begin anew, so it cannot be asked by unimc`,
      {
        code: 'no-position-ids',
      },
    );
  if (!model.takes('query_key_mask'))
    throw new UnsupportedError(`${name} was converted by an fsb that knew no unimc: its graph lacks query_key_mask`, {
      code: 'model-too-old',
      hint: `convert it again: delete ${model.folder}, or fsb convert CHECKPOINT --out DIR`,
    });
  const maxLength = Math.min(MAX_LENGTH, model.maxLength);
  const plain = (text: string): number[] => tokenizer.encodeIds(text, { addSpecialTokens: false }).ids;

  const encode = (example: Example): UnimcRow => {
    const choices = fitChoices(choicesOf(task, prompt, example), plain, maxLength - LEAST_ROOM_FOR_TEXT);
    const texts = [prompt.question, prompt.text ?? '{text}', prompt.pair].filter((text) => text !== undefined);
    const row = { ids: [cls.id], typeIds: [0], positionIds: [0], blocks: [0] };
    const masks = choices.map((choice, c) => {
      const at = row.ids.length;
      for (const [i, id] of [mask.id, ...choice].entries()) push(row, id, 1, 1 + i, c + 1);
      return at;
    });
    const next = Math.max(...row.positionIds) + 1;
    // upstream reads all texts as one, cut at the right
    const rest = [
      sep.id,
      ...texts.flatMap((text, i) => [...(i > 0 ? [sep.id] : []), ...plain(fillPrompt(text, example))]),
    ];
    const kept = [...rest.slice(0, maxLength - 1 - row.ids.length), sep.id];
    for (const [i, id] of kept.entries()) push(row, id, i === 0 ? 1 : 0, next + i, 0);
    return { ...row, masks };
  };

  return {
    name: 'unimc',
    maxLength,
    details: { ...prompt, yes: YES },
    batchTokens: CLOZE_BATCH_TOKENS,
    async prepare(examples, signal) {
      const rows = await encodeAll(examples, encode, signal);
      return {
        lengths: rows.map(({ ids }) => ids.length),
        async score(indices, stop) {
          const batch = indices.map((index) => rows[index]!);
          const outputs = await model.logitsAt(
            batch,
            batch.map(({ masks }) => masks),
            { signal: stop },
          );
          return outputs.map(({ shape: [masks, columns], values }) =>
            Float32Array.from({ length: masks! }, (_, k) => values[k * columns! + yes]!),
          );
        },
      };
    },
  };
}

// --- internal ---

function choicesOf(task: ClueTask, prompt: UnimcPrompt, example: Example): string[] {
  const words = labelWords(task, prompt.words, example);
  return prompt.words === 'candidates' ? [...words] : words.map((word) => fillPrompt(word, example));
}

/** Tokens of each choice; all choices lose their second half until they and their masks fit, as upstream has it. */
function fitChoices(words: readonly string[], tokenize: (word: string) => number[], room: number): number[][] {
  for (
    let texts = words;
    ;
    texts = texts.map((text) => [...text].slice(0, Math.floor([...text].length / 2)).join(''))
  ) {
    const choices = texts.map(tokenize);
    // [CLS], a mask for all but the first choice, and [SEP], which is what upstream counts
    if (choices.reduce((sum, choice) => sum + choice.length + 1, 1) <= room) return choices;
    if (texts.every((text) => text === ''))
      throw new UsageError(`${words.length} choices do not fit into ${room} tokens`, { code: 'prompt-too-long' });
  }
}

function push(
  row: { ids: number[]; typeIds: number[]; positionIds: number[]; blocks: number[] },
  id: number,
  type: number,
  position: number,
  block: number,
): void {
  row.ids.push(id);
  row.typeIds.push(type);
  row.positionIds.push(position);
  row.blocks.push(block);
}
