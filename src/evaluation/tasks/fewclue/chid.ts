import { z } from 'zod';
import { IntegrityError } from '../../../util/errors.ts';
import { parseWith } from '../../../util/json.ts';
import type { ClueRow, ClueTask } from '../../clue-task.ts';
import { ROW_ID } from '../rows.ts';
import { fewClue } from './splits.ts';

const CANDIDATES = 7;
const GAP = '#idiom#';

const CHID_ROW = z.object({
  id: ROW_ID,
  candidates: z.array(z.string().min(1)).length(CANDIDATES),
  content: z.string(),
  answer: z
    .number()
    .int()
    .min(0)
    .max(CANDIDATES - 1)
    .optional(),
});

/** CHID: which of seven idioms stands in the gap? The label is the idiom's place among the row's candidates. */
export const fewChid: ClueTask = {
  ...fewClue('chid'),
  title: { zh: '成语阅读理解填空', en: 'idiom cloze' },
  labels: Array.from({ length: CANDIDATES }, (_, i) => ({ value: String(i), zh: `候选 ${i}`, en: `candidate ${i}` })),
  droppedLabels: [],
  maxLength: 128,
  devMajority: { label: '0', count: 286, examples: 2002 },
  prompts: {
    cloze: { pattern: '{before}{mask}{after}', words: 'candidates' },
    // a mark first, since texts may begin with the gap and the first token needs something before it
    lm: { prompt: '。{before}', continuation: '{label}{after}', words: 'candidates' },
    infill: { source: '{before}{mask}{after}', words: 'candidates' },
    unimc: { text: '{before}____{after}', words: 'candidates' },
  },
  candidateText: '{before}{label}{after}',
  parseRow: parseChidRow,
};

/** `{content with one #idiom#, candidates}`; text is the passage with the gap as it is. */
function parseChidRow(value: unknown, where: string): ClueRow {
  const { id, candidates, content, answer } = parseWith(CHID_ROW, value, where);
  const parts = content.split(GAP);
  if (parts.length !== 2)
    throw new IntegrityError(`${where}: expected one ${GAP} in content, found ${parts.length - 1}`, {
      code: 'malformed-row',
    });
  return {
    id,
    text: content,
    label: answer === undefined ? undefined : String(answer),
    fields: { before: parts[0]!, after: parts[1]! },
    candidates,
  };
}
