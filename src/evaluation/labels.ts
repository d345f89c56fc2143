/** Which logit of a classifier stands for which label of a task. The order is the checkpoint's own, so it is never guessed. */
import { UnsupportedError, UsageError } from '../util/errors.ts';
import type { ClueLabel, ClueTask } from './clue-task.ts';

/**
 * The order of a model's logits where `id2label` cannot say: "baseline" is the order of the task's labels (CLUE's own
 * baselines), a list names each logit's label. An order that is given wins over the model's own names.
 */
export type LabelOrder = 'baseline' | readonly string[];

/** What transformers writes into `id2label` when nobody named the labels. */
const GENERIC_LABEL = /^LABEL_\d+$/i;

/** More labels than this are cut short in messages. */
const MAX_LABELS_SHOWN = 20;

/**
 * The column of each of the task's labels in the model's logits. Names are compared exactly, then without case,
 * then by the task's Chinese and English names and known spellings.
 * @throws UnsupportedError when the sizes differ or the names are not the task's; UsageError for a wrong `order`.
 */
export function mapLabels(task: ClueTask, modelLabels: readonly string[], order?: LabelOrder): number[] {
  if (modelLabels.length !== task.labels.length)
    throw new UnsupportedError(
      `${task.name} has ${task.labels.length} labels (${show(task.labels.map((l) => l.value))}); ` +
        `the model's classifier has ${modelLabels.length} (${show(modelLabels)})`,
      { code: 'label-count', hint: `evaluate a model that was fine-tuned for ${task.name}` },
    );
  if (order === 'baseline') return task.labels.map((_, column) => column);
  if (order !== undefined) {
    const columns = matchNames(task.labels, order);
    if (columns) return columns;
    throw new UsageError(
      `label order: expected each label of ${task.name} once (${show(task.labels.map((l) => l.value))}); found ${show(order)}`,
      { code: 'label-order' },
    );
  }
  const columns = matchNames(task.labels, modelLabels);
  if (columns) return columns;
  const unnamed = modelLabels.every((label) => GENERIC_LABEL.test(label));
  throw new UnsupportedError(
    unnamed
      ? `the model does not name its labels (${show(modelLabels)}), so their order for ${task.name} is unknown`
      : `expected the labels of ${task.name} (${show(task.labels.map((l) => l.value))}); the model's are ${show(modelLabels)}`,
    {
      code: unnamed ? 'labels-unnamed' : 'labels-differ',
      hint: "give the order of the model's logits: the labels one by one, or baseline",
      facts: { expected: task.labels.map((l) => l.value), found: [...modelLabels] },
    },
  );
}

/** True when a classifier with these labels answers the task: mapLabels would find the columns, or says only what is missing. */
export function isClassifierOf(task: ClueTask, modelLabels: readonly string[], order?: LabelOrder): boolean {
  if (modelLabels.length !== task.labels.length) return false;
  return order !== undefined || matchNames(task.labels, modelLabels) !== undefined;
}

/** The column of each label, or undefined unless every name stands for exactly one label. */
function matchNames(labels: readonly ClueLabel[], names: readonly string[]): number[] | undefined {
  if (names.length !== labels.length) return undefined;
  const spellings: ((label: ClueLabel) => readonly string[])[] = [
    (label) => [label.value],
    (label) => [label.value.toLowerCase()],
    (label) => [label.value, label.zh, label.en ?? '', ...(label.aliases ?? [])].map(fold),
  ];
  for (const [level, spell] of spellings.entries()) {
    const columns = labels.map((label) => {
      const known = spell(label);
      return names.findIndex((name) => known.includes(level === 0 ? name : fold(name)));
    });
    if (!columns.includes(-1) && new Set(columns).size === labels.length) return columns;
  }
  return undefined;
}

/** "Not_Similar " and "not similar" are the same spelling. */
const fold = (name: string): string => name.trim().toLowerCase().replace(/_/g, ' ');

function show(labels: readonly string[]): string {
  const shown = labels.slice(0, MAX_LABELS_SHOWN).join(', ');
  return labels.length > MAX_LABELS_SHOWN ? `${shown}, … ${labels.length} in all` : shown;
}
