import { z } from 'zod';
import { IntegrityError } from '../../util/errors.ts';
import { parseWith } from '../../util/json.ts';
import type { ClueRow, ClueTask, RawRow, SplitBytes } from '../clue-task.ts';
import { parseJsonDocument } from '../json-lines.ts';
import { ROW_ID } from './rows.ts';

const MAX_CHOICES = 4;

/** [[turns or paragraphs], [questions], id] */
const DOCUMENT = z.array(z.tuple([z.array(z.string()), z.array(z.unknown())], z.unknown()));

const QUESTION = z.object({
  id: ROW_ID,
  context: z.string(),
  question: z.string(),
  choice: z.array(z.string().min(1)).min(2).max(MAX_CHOICES),
  answer: z.string().optional(),
});

/** C3: which of two to four answers follows from a dialogue (d) or a text (m)? (CLUE: mrc_pytorch/run_c3.py) */
export const c3: ClueTask = {
  name: 'c3',
  title: { zh: '多项选择阅读理解', en: 'multiple-choice reading comprehension' },
  dataset: 'c3',
  splits: {
    train: ['d-train.json', 'm-train.json'],
    dev: ['d-dev.json', 'm-dev.json'],
    test: 'test1.1.json',
    'test1.0': 'test1.0.json',
  },
  readRows: readQuestions,
  head: 'choice',
  labels: Array.from({ length: MAX_CHOICES }, (_, i) => ({ value: String(i), zh: `选项 ${i}`, en: `option ${i}` })),
  droppedLabels: [],
  maxLength: 512,
  metric: 'accuracy',
  prompts: {
    // no prompt was published with the data; the words are those of OpenCompass (C3_ppl)
    cloze: { pattern: '文章：{text}\n问题：{pair}\n答案：{mask}', words: 'candidates', maxLength: 512 },
    lm: { prompt: '文章：{text}\n问题：{pair}\n答案：', words: 'candidates' },
    infill: { source: '文章：{text}\n问题：{pair}\n答案：{mask}', words: 'candidates' },
    unimc: { question: '{pair}', words: 'candidates' },
  },
  parseRow: parseQuestion,
};

function* readQuestions(file: SplitBytes): Generator<RawRow> {
  const documents = parseWith(DOCUMENT, parseJsonDocument(file.bytes, file.name), file.name);
  for (const [i, [context, questions]] of documents.entries())
    for (const [k, question] of questions.entries())
      yield {
        where: `${file.name}, [${i}][1][${k}]`,
        value: typeof question === 'object' ? { ...question, context: context.join('\n') } : question,
      };
}

/** text is the dialogue or text, pair the question; the label is the place of the answer among the choices. */
function parseQuestion(value: unknown, where: string): ClueRow {
  const { id, context, question, choice, answer } = parseWith(QUESTION, value, where);
  const label = answer ? choice.indexOf(answer) : undefined;
  if (label === -1)
    throw new IntegrityError(
      `${where}: expected an answer among the choices (${choice.join(', ')}), found "${answer}"`,
      {
        code: 'malformed-row',
      },
    );
  return {
    id,
    text: context,
    pair: question,
    label: label === undefined ? undefined : String(label),
    candidates: choice,
  };
}
