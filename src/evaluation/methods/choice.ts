/**
 * A fine-tuned multiple-choice head: the model reads each candidate with the text and gives one logit; the best candidate
 * is the answer. The input forms are those of CLUE's baselines (baselines/models_pytorch/mrc_pytorch):
 *
 *   C3   (run_c3.py)            [CLS] text [SEP] question [SEP] candidate [SEP]   types 0 … 0 1 … 1
 *   ChID (CHID_preprocess.py)   [CLS] candidate [SEP] … [unused1] … [SEP]         types 0
 */
import type { Encoder, Row } from '../../pipelines/encoder.ts';
import { UnsupportedError } from '../../util/errors.ts';
import type { ClueTask } from '../clue-task.ts';
import type { Example } from '../dataset.ts';
import { HEAD_BATCH_TOKENS } from './head.ts';
import { encodeAll, type Method } from './method.ts';

type Tokenizer = ReturnType<Encoder['requireTokenizer']>;

/** Stands for the gap that is asked about. */
const GAP_TOKEN = '[unused1]';
/** The other gaps of a passage: an idiom has four characters. */
const OTHER_GAP = /#idiom\d+#/;
const OTHER_GAP_TOKENS = 4;

/** The marks that the baseline writes otherwise before it cuts a passage into tokens. */
const CHID_MARKS: readonly (readonly [RegExp, string])[] = [
  [/[“”]/g, '"'],
  [/——/g, '--'],
  [/[—―]/g, '-'],
  [/…/g, '...'],
  [/[‘’]/g, "'"],
];

/** Throws UnsupportedError for a model whose head gives no single logit, or whose vocabulary lacks the marks. */
export function choiceMethod(model: Encoder, task: ClueTask, maxLength = task.maxLength): Method {
  const tokenizer = model.requireTokenizer();
  const longest = Math.min(maxLength, model.maxLength);
  if (!model.has('class_logits') || model.manifest.labels?.length !== 1)
    throw new UnsupportedError(
      `${task.name} needs a multiple-choice head, which gives each candidate one logit; ${model.manifest.name} has ${model.has('class_logits') ? `a classifier of ${model.manifest.labels?.length ?? 0} classes` : 'none'}`,
      { code: 'no-choice-head', hint: 'a model without one can be asked: --method cloze, lm or infill' },
    );
  const encode = task.name === 'chid' ? idiomRows(tokenizer, longest) : questionRows(tokenizer, longest);
  return {
    name: 'head',
    maxLength: longest,
    details: { head: 'multiple choice' },
    batchTokens: HEAD_BATCH_TOKENS,
    async prepare(examples, signal) {
      const rows = await encodeAll(examples, encode, signal);
      return {
        lengths: rows.map((candidates) => Math.max(...candidates.map(({ ids }) => ids.length))),
        async score(indices, stop) {
          const batch = indices.map((index) => rows[index]!);
          const scores = batch.map((candidates) => new Float32Array(candidates.length));
          // first candidates together, then second ones: never more rows at a time than were planned for
          for (let k = 0; batch.some((candidates) => candidates.length > k); k++) {
            const active = batch.flatMap((candidates, i) => candidates.slice(k, k + 1).map((row) => ({ i, row })));
            const outputs = await model.run(
              active.map(({ row }) => row),
              ['class_logits'],
              stop,
            );
            for (const [at, { i }] of active.entries()) scores[i]![k] = outputs[at]![0]!.values[0]!;
          }
          return scores;
        },
      };
    },
  };
}

// --- internal ---

type Encode = (example: Example) => readonly Row[];

function questionRows(tokenizer: Tokenizer, maxLength: number): Encode {
  const { cls, sep } = marksOf(tokenizer);
  const plain = (text: string): number[] => tokenizer.encodeIds(text, { addSpecialTokens: false }).ids;
  return ({ text, pair = '', candidates = [] }) => {
    const [passage, question] = [plain(text), plain(pair)];
    return candidates.map((candidate) => {
      const choice = plain(candidate);
      const [a, b, c] = cutLongest([passage.length, choice.length, question.length], maxLength - 4);
      const first = [cls, ...passage.slice(0, a), sep];
      const second = [...question.slice(0, c), sep, ...choice.slice(0, b), sep];
      return { ids: [...first, ...second], typeIds: [...first.map(() => 0), ...second.map(() => 1)] };
    });
  };
}

/** The longest part loses its last token, one at a time; ties go against the earlier part. (_truncate_seq_tuple) */
function cutLongest(lengths: readonly [number, number, number], room: number): [number, number, number] {
  const left: [number, number, number] = [...lengths];
  for (let total = left[0] + left[1] + left[2]; total > room; total--) left[left.indexOf(Math.max(...left))]!--;
  return left;
}

function idiomRows(tokenizer: Tokenizer, maxLength: number): Encode {
  const { cls, sep, mask } = marksOf(tokenizer);
  const gap = tokenizer.idOf(GAP_TOKEN);
  if (gap === undefined || mask === undefined)
    throw new UnsupportedError(`the vocabulary has no ${GAP_TOKEN} or no mask, with which ChID's passages are marked`, {
      code: 'no-gap-token',
    });
  const plain = (text: string): number[] => tokenizer.encodeIds(text, { addSpecialTokens: false }).ids;
  /** Tokens of a passage; another gap is one entry as long as the window is measured, then four masks. */
  const entries = (text: string): (readonly number[])[] =>
    CHID_MARKS.reduce((all, [mark, other]) => all.replace(mark, other), text)
      .split(OTHER_GAP)
      .flatMap((part, i) => [
        ...(i > 0 ? [Array.from({ length: OTHER_GAP_TOKENS }, () => mask)] : []),
        ...plain(part).map((id) => [id]),
      ]);
  const room = maxLength - 8; // the baseline's: three marks, the gap and four characters of the candidate
  return ({ fields, candidates = [] }) => {
    const [before, after] = [entries(fields!.passageBefore!), entries(fields!.passageAfter!)];
    const half = Math.floor(room / 2);
    const fromLeft = Math.min(before.length, Math.max(half, room - after.length));
    const fromRight = Math.min(after.length, room - fromLeft);
    const left = before.slice(before.length - fromLeft).flat();
    const right = after.slice(0, fromRight).flat();
    const context = [...left.slice(left.length - fromLeft), gap, ...right.slice(0, fromRight)];
    return candidates.map((candidate) => ({ ids: [cls, ...plain(candidate), sep, ...context, sep] }));
  };
}

function marksOf(tokenizer: Tokenizer): { cls: number; sep: number; mask: number | undefined } {
  const { cls, sep, mask } = tokenizer.specialTokens;
  if (cls && sep) return { cls: cls.id, sep: sep.id, mask: mask?.id };
  throw new UnsupportedError('the vocabulary has no [CLS] and [SEP], which a multiple-choice head reads', {
    code: 'no-special-tokens',
  });
}
