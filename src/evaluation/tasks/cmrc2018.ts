import { z } from 'zod';
import { parseWith } from '../../util/json.ts';
import type { ClueRow, ClueTask, RawRow, SplitBytes } from '../clue-task.ts';
import { parseJsonDocument } from '../json-lines.ts';

const DOCUMENT = z.object({
  data: z.array(z.object({ paragraphs: z.array(z.object({ context: z.string(), qas: z.array(z.unknown()) })) })),
});

const QUESTION = z.object({
  context: z.string(),
  id: z.union([z.string(), z.number()]),
  question: z.string(),
  answers: z.array(z.object({ text: z.string() })).default([]),
});

/** CMRC2018: which words of the passage answer the question? In SQuAD's form (CLUE: mrc_pytorch/preprocess/cmrc2018_preprocess.py). */
export const cmrc2018: ClueTask = {
  name: 'cmrc2018',
  title: { zh: '抽取式阅读理解', en: 'reading comprehension by extraction' },
  dataset: 'cmrc2018',
  splits: {
    train: 'train.json',
    dev: 'dev.json',
    trial: 'trial.json',
    test: 'test.json',
  },
  readRows: readQuestions,
  head: 'span',
  labels: [],
  droppedLabels: [],
  maxLength: 512,
  metric: 'exact-match',
  parseRow: parseQuestion,
};

function* readQuestions(file: SplitBytes): Generator<RawRow> {
  const { data } = parseWith(DOCUMENT, parseJsonDocument(file.bytes, file.name), file.name);
  for (const [i, { paragraphs }] of data.entries())
    for (const [j, { context, qas }] of paragraphs.entries())
      for (const [k, question] of qas.entries())
        yield {
          where: `${file.name}, data[${i}].paragraphs[${j}].qas[${k}]`,
          value: typeof question === 'object' ? { ...question, context } : question,
        };
}

/** text is the passage, pair the question. Test files hold no answers, or empty ones. */
function parseQuestion(value: unknown, where: string): ClueRow {
  const { id, context, question, answers } = parseWith(QUESTION, value, where);
  const right = answers.map(({ text }) => text).filter((text) => text.trim() !== '');
  return {
    id,
    text: context,
    pair: question.trim(),
    label: right[0],
    ...(right.length > 0 && { answers: right }),
  };
}
