/** Prompts: patterns with slots, filled from a row; label words, from the task or the row. */

import { UsageError } from '../../util/errors.ts';
import type { ClueTask, LabelWords } from '../clue-task.ts';
import type { Example } from '../dataset.ts';

const SLOT = /\{(\w+)\}/g;

/** Fills the slots of a pattern from a row (and `more`). Throws UsageError for a slot that the row does not have. */
export function fillPrompt(pattern: string, example: Example, more: Readonly<Record<string, string>> = {}): string {
  return pattern.replace(SLOT, (_, name: string) => {
    const value = slotOf(example, more, name);
    if (value !== undefined) return value;
    throw new UsageError(
      `the prompt ${JSON.stringify(pattern)} has a slot {${name}} that example ${example.id} lacks`,
      {
        code: 'prompt-slot',
        hint: `slots are text, pair, label, mask${example.fields ? `, ${Object.keys(example.fields).join(', ')}` : ''}`,
      },
    );
  });
}

/** The parts before and after `{mask}`, filled. */
export function splitAtMask(pattern: string, example: Example): readonly [before: string, after: string] {
  const parts = pattern.split('{mask}');
  if (parts.length !== 2)
    throw new UsageError(`the prompt ${JSON.stringify(pattern)} has ${parts.length - 1} {mask} slots; expected one`, {
      code: 'prompt-mask',
    });
  return [fillPrompt(parts[0]!, example), fillPrompt(parts[1]!, example)];
}

/** The label words of a row, in the order of the task's labels; a row's own candidates may be fewer. Throws UsageError where one is missing. */
export function labelWords(task: ClueTask, words: LabelWords, example: Example): readonly string[] {
  // a row may offer fewer candidates than the task has labels: the other labels are not in question
  if (words === 'candidates' && example.candidates && example.candidates.length <= task.labels.length)
    return example.candidates;
  const list = words === 'candidates' ? example.candidates : task.labels.map(({ value }) => words[value]);
  const missing = task.labels.find((_, i) => !list?.[i]);
  if (list && list.length === task.labels.length && missing === undefined) return list as string[];
  throw new UsageError(
    `${task.name}: expected a word for each of ${task.labels.length} labels${missing ? `, found none for "${missing.value}"` : ''} (example ${example.id})`,
    { code: 'label-words' },
  );
}

/** Word → ids, each word tokenized once. Throws UsageError for a word without tokens. */
export function wordCache(tokenize: (word: string) => readonly number[]): (word: string) => readonly number[] {
  const known = new Map<string, readonly number[]>();
  return (word) => {
    const found = known.get(word);
    if (found) return found;
    const ids = tokenize(word);
    if (ids.length === 0)
      throw new UsageError(`the label word ${JSON.stringify(word)} has no tokens`, { code: 'label-words' });
    known.set(word, ids);
    return ids;
  };
}

/** What a row's prompts can name: its own fields first. */
function slotOf(example: Example, more: Readonly<Record<string, string>>, name: string): string | undefined {
  if (Object.hasOwn(more, name)) return more[name];
  if (example.fields && Object.hasOwn(example.fields, name)) return example.fields[name];
  return name === 'text' ? example.text : name === 'pair' ? example.pair : undefined;
}
