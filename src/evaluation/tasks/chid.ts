import { z } from 'zod';
import { IntegrityError } from '../../util/errors.ts';
import { parseWith } from '../../util/json.ts';
import type { ClueRow, ClueTask, RawRow, SplitBytes } from '../clue-task.ts';
import { parseJsonDocument, parseJsonLines } from '../json-lines.ts';

const CANDIDATES = 10;

/** Each gap has a number of its own, by which the file of answers names it. */
const GAP = /#idiom\d+#/g;

/** Idioms have four characters: what the baseline puts into the passage's other gaps. */
const OTHER_GAP = { masks: '[MASK]'.repeat(4), plain: '____' } as const;

/** Characters of the passage that prompts show, as many on either side: 128 tokens with idiom and marks. */
const WINDOW_CHARACTERS = 120;

const LINE = z.object({
  candidates: z.array(z.string().min(1)).length(CANDIDATES),
  content: z.array(z.string()),
});

const ANSWERS = z.record(
  z.string(),
  z
    .number()
    .int()
    .min(0)
    .max(CANDIDATES - 1),
);

const GAP_ROW = z.object({
  gap: z.string(),
  group: z.number(),
  candidates: z.array(z.string()),
  before: z.string(),
  after: z.string(),
  answer: z.number().optional(),
});

/**
 * ChID: which of ten idioms stands in each gap? A line holds some passages and the candidates they share, each of which
 * is used once at most. An example is a gap, its id the gap's name; the ten are given out over the whole line, best
 * first, as CLUE's baseline does (mrc_pytorch/preprocess/CHID_preprocess.py, logits_matrix_to_array). A --limit draws
 * gaps, not lines, so its gaps compete with fewer others.
 */
export const chid: ClueTask = {
  name: 'chid',
  title: { zh: '成语阅读理解填空', en: 'idioms in passages' },
  dataset: 'chid',
  splits: {
    train: 'train.json',
    dev: 'dev.json',
    test: 'test1.1.json',
    'test1.0': 'test1.0.json',
  },
  answerFiles: { train: 'train_answer.json', dev: 'dev_answer.json' },
  readRows: readGaps,
  head: 'choice',
  labels: Array.from({ length: CANDIDATES }, (_, i) => ({ value: String(i), zh: `候选 ${i}`, en: `candidate ${i}` })),
  droppedLabels: [],
  maxLength: 64, // the baseline's (run_multichoice_mrc.py)
  metric: 'accuracy',
  prompts: {
    cloze: { pattern: '{before}{mask}{after}', words: 'candidates', maxLength: 128 },
    // a mark first, since passages may begin with the gap and the first token needs something before it
    lm: { prompt: '。{plainBefore}', continuation: '{label}{plainAfter}', words: 'candidates' },
    infill: { source: '{plainBefore}{mask}{plainAfter}', words: 'candidates' },
    unimc: { text: '{plainBefore}____{plainAfter}', words: 'candidates' },
  },
  parseRow: parseGap,
};

function* readGaps(file: SplitBytes, answerFile?: SplitBytes): Generator<RawRow> {
  const answers = answerFile
    ? parseWith(ANSWERS, parseJsonDocument(answerFile.bytes, answerFile.name), answerFile.name)
    : undefined;
  for (const { line, value } of parseJsonLines(file.bytes, file.name)) {
    const where = `${file.name}, line ${line}`;
    const { candidates, content } = parseWith(LINE, value, where);
    for (const passage of content)
      for (const { 0: gap, index } of passage.matchAll(GAP)) {
        if (answers && !Object.hasOwn(answers, gap))
          throw new IntegrityError(`${where}: ${answerFile!.name} has no answer for ${gap}`, { code: 'malformed-row' });
        yield {
          where: `${where}, ${gap}`,
          value: {
            gap,
            group: line,
            candidates,
            before: passage.slice(0, index),
            after: passage.slice(index + gap.length),
            answer: answers?.[gap],
          },
        };
      }
  }
}

/** text is the passage around the gap; `passageBefore` and `passageAfter` are all of it, for the head. */
function parseGap(value: unknown, where: string): ClueRow {
  const { gap, group, candidates, before, after, answer } = parseWith(GAP_ROW, value, where);
  const [left, right] = around(before, after);
  const masked = (text: string): string => text.replace(GAP, OTHER_GAP.masks);
  const plain = (text: string): string => text.replace(GAP, OTHER_GAP.plain);
  return {
    id: gap,
    text: `${plain(left)}#idiom#${plain(right)}`,
    label: answer === undefined ? undefined : String(answer),
    fields: {
      before: masked(left),
      after: masked(right),
      plainBefore: plain(left),
      plainAfter: plain(right),
      passageBefore: before,
      passageAfter: after,
    },
    candidates,
    group,
  };
}

/** The characters next to the gap, half on either side; what one side lacks the other may use. A gap counts as one. */
function around(before: string, after: string): readonly [string, string] {
  const units = (text: string): string[] => text.match(/#idiom\d+#|[\s\S]/gu) ?? [];
  const [left, right] = [units(before), units(after)];
  const half = WINDOW_CHARACTERS / 2;
  const fromLeft = Math.min(left.length, Math.max(half, WINDOW_CHARACTERS - right.length));
  return [left.slice(left.length - fromLeft).join(''), right.slice(0, WINDOW_CHARACTERS - fromLeft).join('')];
}
