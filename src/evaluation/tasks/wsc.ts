import { z } from 'zod';
import { IntegrityError } from '../../util/errors.ts';
import { parseWith } from '../../util/json.ts';
import type { ClueRow, ClueTask } from '../clue-task.ts';
import { PRONOUN } from './prompts.ts';
import { ROW_ID, ROW_LABEL } from './rows.ts';

const SPAN_INDEX = z.number().int().nonnegative();
const WSC_ROW = z.object({
  id: ROW_ID,
  idx: ROW_ID,
  text: z.string(),
  target: z.object({
    span1_index: SPAN_INDEX,
    span1_text: z.string(),
    span2_index: SPAN_INDEX,
    span2_text: z.string(),
  }),
  label: ROW_LABEL,
});

/** CLUEWSC2020: does this pronoun (span2) stand for this noun (span1)? */
export const wsc: ClueTask = {
  name: 'wsc',
  title: { zh: '代词消解', en: 'Winograd schema, pronoun resolution' },
  dataset: 'wsc',
  splits: {
    train: 'train.json',
    dev: 'dev.json',
    test: 'test.json', // 1.1, since August 2021
    'test1.0': 'test1.0.json',
  },
  labels: [
    { value: 'true', zh: '指代', en: 'true' },
    { value: 'false', zh: '不指代', en: 'false' },
  ],
  droppedLabels: [],
  maxLength: 128,
  metric: 'accuracy',
  devMajority: { label: 'false', count: 193, examples: 304 },
  prompts: PRONOUN,
  parseRow: parseWscRow,
};

/** `{text, target}` → [CLS] …_noun_…[pronoun]… [SEP] */
export function parseWscRow(value: unknown, where: string): ClueRow {
  const { id, idx, text, target, label } = parseWith(WSC_ROW, value, where);
  const noun = { start: target.span1_index, text: target.span1_text, open: '_', close: '_' };
  const pronoun = { start: target.span2_index, text: target.span2_text, open: '[', close: ']' };
  return {
    id: id ?? idx,
    text: markSpans(text, [noun, pronoun], where),
    label,
    fields: {
      passage: text,
      span1: noun.text,
      span2: pronoun.text,
      // UniMC's marks are CLUE's the other way round
      unimcPassage: markSpans(
        text,
        [
          { ...noun, open: '[', close: ']' },
          { ...pronoun, open: '_', close: '_' },
        ],
        where,
      ),
    },
  };
}

interface MarkedSpan {
  /** Offset in code points, not in UTF-16 units. */
  readonly start: number;
  readonly text: string;
  readonly open: string;
  readonly close: string;
}

/** Puts each span between its marks. Spans may touch (_noun_[pronoun]) but not overlap. */
function markSpans(text: string, spans: readonly MarkedSpan[], where: string): string {
  const characters = [...text];
  let marked = '';
  let at = 0;
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    const end = span.start + [...span.text].length;
    const found = characters.slice(span.start, end).join('');
    if (span.text === '' || found !== span.text || span.start < at)
      throw new IntegrityError(
        `${where}: expected "${span.text}" at character ${span.start} of the text, outside the other span; found "${found}"`,
        { code: 'malformed-row', facts: { expected: span.text, found, offset: span.start } },
      );
    marked += characters.slice(at, span.start).join('') + span.open + span.text + span.close;
    at = end;
  }
  return marked + characters.slice(at).join('');
}
