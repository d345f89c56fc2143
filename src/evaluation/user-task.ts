/**
 * A user's own task, from a JSON file beside his own JSON lines:
 *
 * ```json
 * {
 *   "name": "tickets",
 *   "title": "support tickets",
 *   "data": { "train": "train.jsonl", "dev": "dev.jsonl" },
 *   "fields": { "text": "message", "pair": "reply", "label": "kind", "id": "id" },
 *   "labels": ["bug", { "value": "wish", "zh": "愿望", "en": "wish", "aliases": ["feature"] }],
 *   "droppedLabels": ["-"],
 *   "maxLength": 128,
 *   "prompts": {
 *     "cloze": { "pattern": "这是一个{mask}。{text}", "words": { "bug": "错误", "wish": "愿望" } },
 *     "lm": { "prompt": "{text}这是一个", "words": { "bug": "错误", "wish": "愿望" } },
 *     "unimc": { "question": "这是什么？", "words": { "bug": "错误", "wish": "愿望" } },
 *     "nli": { "hypothesis": "这是一个{label}", "words": { "bug": "错误", "wish": "愿望" } }
 *   }
 * }
 * ```
 * `name`, `fields.text` and `labels` are needed; `data` paths are relative to the file, and a single path is the dev
 * split; splits called train_0, train_1, … (and dev_0, …) are folds for few-shot. Every field of a row that is a string can be named as a slot of a prompt, besides `{text}`, `{pair}`,
 * `{label}` and `{mask}`.
 */
import path from 'node:path';
import { z } from 'zod';
import { IntegrityError } from '../util/errors.ts';
import { parseWith, readJson } from '../util/json.ts';
import type { ClueLabel, ClueRow, ClueTask, Prompts } from './clue-task.ts';

/** More labels than this are another kind of task. */
const MAX_LABELS = 1000;

const DEFAULT_MAX_LENGTH = 128;

const NLI_CLASSES = ['entailment', 'neutral', 'contradiction', 'not-entailment'] as const;

const text = z.string().min(1);
const words = z.record(z.string(), text);
const lm = z.strictObject({ prompt: text, continuation: text.optional(), words });

const taskSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/, 'expected lower-case letters, digits, dots and dashes'),
  title: z.union([text, z.strictObject({ zh: text, en: text })]).optional(),
  data: z.union([text, z.record(z.string(), text)]).optional(),
  fields: z.strictObject({ text, pair: text.optional(), label: text.default('label'), id: text.default('id') }),
  labels: z
    .array(
      z.union([
        text.transform((value) => ({ value })),
        z.strictObject({ value: text, zh: text.optional(), en: text.optional(), aliases: z.array(text).optional() }),
      ]),
    )
    .min(2)
    .max(MAX_LABELS),
  droppedLabels: z.array(z.string()).default([]),
  maxLength: z.number().int().min(8).max(8192).default(DEFAULT_MAX_LENGTH),
  prompts: z
    .strictObject({
      cloze: z.strictObject({ pattern: text, words, maxLength: z.number().int().min(8).optional() }).optional(),
      lm: lm.optional(),
      lmLabelFirst: lm.optional(),
      infill: z.strictObject({ source: text, words }).optional(),
      unimc: z
        .strictObject({ question: text.optional(), text: text.optional(), pair: text.optional(), words })
        .optional(),
      nli: z
        .strictObject({
          premise: text.optional(),
          hypothesis: text,
          words: words.optional(),
          classes: z.record(z.string(), z.enum(NLI_CLASSES)).optional(),
        })
        .refine(
          ({ words: named, classes }) => (named === undefined) !== (classes === undefined),
          'expected words or classes, one of them',
        )
        .optional(),
    })
    .default({}),
});

type TaskFile = z.infer<typeof taskSchema>;

export interface UserTask {
  readonly task: ClueTask;
  /** Folder of the task's file, where its data lies. */
  readonly folder: string;
}

/** True for what is a task's file and no name of a task. */
export const isTaskFile = (name: string): boolean => name.toLowerCase().endsWith('.json');

/** Reads a task's file. Throws NotFoundError, or IntegrityError that names the field. */
export async function readUserTask(file: string): Promise<UserTask> {
  const definition = parseWith(taskSchema, await readJson(file), file);
  const values = definition.labels.map(({ value }) => value);
  const repeated = values.find((value, i) => values.indexOf(value) !== i);
  if (repeated !== undefined)
    throw new IntegrityError(`${file}: labels: "${repeated}" stands there twice`, { code: 'malformed-document' });
  const { prompts } = definition;
  for (const [method, prompt] of Object.entries(prompts)) checkWords(file, `${method}.words`, values, prompt?.words);
  checkWords(file, 'nli.classes', values, prompts.nli?.classes);
  return { task: taskOf(definition), folder: path.dirname(path.resolve(file)) };
}

// --- internal ---

function taskOf(definition: TaskFile): ClueTask {
  const { name, title = name, data = {}, labels, droppedLabels, maxLength, prompts } = definition;
  const splits = typeof data === 'string' ? { dev: data } : data;
  const first = Object.keys(splits)[0];
  return {
    name,
    title: typeof title === 'string' ? { zh: title, en: title } : title,
    dataset: name,
    ...(!('dev' in splits) && first !== undefined && { defaultSplit: first }),
    splits,
    labels: labels.map(({ value, ...rest }): ClueLabel => ({ zh: value, ...defined(rest), value })),
    droppedLabels,
    maxLength,
    metric: 'accuracy',
    prompts: defined(prompts) as Prompts,
    parseRow: (value, where) => parseRow(definition, value, where),
  };
}

function parseRow({ fields }: TaskFile, value: unknown, where: string): ClueRow {
  const row = parseWith(z.record(z.string(), z.unknown()), value, where);
  const scalar = (name: string): string | undefined => {
    const found = row[name];
    if (found === undefined || found === null) return undefined;
    if (typeof found === 'string' || typeof found === 'number' || typeof found === 'boolean') return String(found);
    throw new IntegrityError(
      `${where}: ${name}: expected a string or number, found ${JSON.stringify(found).slice(0, 60)}`,
      {
        code: 'malformed-row',
      },
    );
  };
  const needed = (name: string): string => {
    const found = scalar(name);
    if (found !== undefined) return found;
    throw new IntegrityError(`${where}: ${name}: expected a string, found nothing`, { code: 'malformed-row' });
  };
  const id = row[fields.id];
  return {
    id: typeof id === 'number' ? id : scalar(fields.id),
    text: needed(fields.text),
    ...(fields.pair !== undefined && { pair: needed(fields.pair) }),
    label: scalar(fields.label),
    fields: Object.fromEntries(
      Object.entries(row).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    ),
  };
}

function checkWords(
  file: string,
  field: string,
  values: readonly string[],
  given?: Readonly<Record<string, string>>,
): void {
  if (!given) return;
  const missing = values.filter((value) => !Object.hasOwn(given, value));
  const unknown = Object.keys(given).filter((value) => !values.includes(value));
  if (missing.length + unknown.length === 0) return;
  throw new IntegrityError(
    `${file}: prompts.${field}: ${[missing.length ? `no word for ${missing.join(', ')}` : '', unknown.length ? `no such label: ${unknown.join(', ')}` : ''].filter(Boolean).join('; ')}`,
    { code: 'malformed-document' },
  );
}

/** Without the entries that are undefined. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
