/**
 * Labels of one's own, without training: a template asks for them, and the model's way to answer (gaps, likelihood or
 * masks) scores each. The same methods as the evaluation's, on a task of one row.
 */
import type { Classification } from '../pipelines/classify.ts';
import type { OpenModelOptions } from '../pipelines/encoder.ts';
import { truncatedMark } from '../pipelines/texts.ts';
import { type Manifest, readManifest } from '../registry/manifest.ts';
import { softmax, topK } from '../tensor/math.ts';
import { UsageError } from '../util/errors.ts';
import type { ClueTask, Prompts } from './clue-task.ts';
import type { MethodName } from './methods/method.ts';
import { chooseMethod, openForMethod } from './methods/open.ts';
import { predict } from './predict.ts';

/** As FewCLUE's left-to-right baseline asks for topics. */
export const DEFAULT_TEMPLATE = '{text}这段内容是关于{label}';

/** The ways that need no head, in the order of `auto`. */
const METHODS = ['infill', 'lm', 'cloze'] as const satisfies readonly MethodName[];

/** A longer text has its own way to be too long: the model's limit applies before this one. */
const MAX_LENGTH = 512;

export interface ZeroShotOptions {
  /** At least two, none twice. */
  readonly labels: readonly string[];
  /** Holds {text} and {label} once each. @default DEFAULT_TEMPLATE */
  readonly template?: string | undefined;
}

export interface ZeroShotClassifier {
  readonly manifest: Manifest;
  readonly method: MethodName;
  readonly template: string;
  /** Logits are the method's scores (log-likelihoods), probabilities their softmax over the labels. */
  classify(texts: readonly string[], signal?: AbortSignal): Promise<Classification[]>;
  dispose(): Promise<void>;
}

/** Opens a model folder. Throws UsageError for labels or a template that cannot be asked, UnsupportedError for a model that cannot answer. */
export async function openZeroShot(
  folder: string,
  { labels, template = DEFAULT_TEMPLATE }: ZeroShotOptions,
  options: OpenModelOptions = {},
): Promise<ZeroShotClassifier> {
  const task = taskOf(labels, template);
  const method = chooseMethod(await readManifest(folder), task, undefined, METHODS);
  const model = await openForMethod(folder, { method, task }, options);
  const asked = await model.method(task, {});
  const tokensOf = (text: string): number => model.requireTokenizer().encodeIds(text).ids.length;
  const longest = [...labels].sort((a, b) => tokensOf(b) - tokensOf(a))[0]!;
  return {
    manifest: model.manifest,
    method,
    template,
    dispose: () => model.dispose(),
    async classify(texts, signal) {
      const examples = texts.map((text, id) => ({ id, text, label: undefined, candidates: labels }));
      const batches = await predict({ method: asked, labels: labels.length, examples, signal });
      const rows = batches.flatMap((batch) => batch.rows).sort((a, b) => a.index - b.index);
      return rows.map(({ scores, index }) => {
        const filled = template.replace(/\{(text|label)\}/g, (_, slot) => (slot === 'text' ? texts[index]! : longest));
        const probabilities = softmax(scores);
        const order = topK(scores, labels.length);
        return {
          label: labels[order[0]!]!,
          labels: order.map((at) => ({
            label: labels[at]!,
            index: at,
            probability: probabilities[at]!,
            logit: scores[at]!,
          })),
          ...truncatedMark({ truncated: tokensOf(filled) > asked.maxLength }),
        };
      });
    },
  };
}

// --- internal ---

function taskOf(labels: readonly string[], template: string): ClueTask {
  const repeated = labels.find((label, i) => labels.indexOf(label) < i);
  if (labels.length < 2 || labels.some((label) => label.trim() === '') || repeated !== undefined)
    throw new UsageError(
      `labels: expected two or more different ones, found ${labels.map((label) => JSON.stringify(label)).join(', ')}`,
      { code: 'bad-labels' },
    );
  for (const slot of ['{text}', '{label}'])
    if (template.split(slot).length !== 2)
      throw new UsageError(`template ${JSON.stringify(template)}: expected ${slot} once`, {
        code: 'bad-template',
        hint: `for example ${DEFAULT_TEMPLATE}`,
      });
  return {
    name: 'zero-shot',
    title: { zh: '零样本分类', en: 'zero-shot classification' },
    dataset: 'zero-shot',
    splits: {},
    labels: labels.map((value) => ({ value, zh: value })),
    droppedLabels: [],
    maxLength: MAX_LENGTH,
    metric: 'accuracy',
    prompts: promptsOf(template),
    parseRow: () => {
      throw new Error('a zero-shot task has no file');
    },
  };
}

/** Left to right, what stands before the label is read and what comes from it on is scored; text behind it means label first. */
function promptsOf(template: string): Prompts {
  const at = template.indexOf('{label}');
  const isLabelFirst = at < template.indexOf('{text}');
  const masked = template.replace('{label}', '{mask}');
  const lm = isLabelFirst
    ? {
        prompt: template.slice(0, template.indexOf('{text}')),
        continuation: template.slice(template.indexOf('{text}')),
      }
    : { prompt: template.slice(0, at), continuation: template.slice(at) };
  return {
    cloze: { pattern: masked, words: 'candidates' },
    lm: { ...lm, words: 'candidates' },
    infill: { source: masked, words: 'candidates' },
  };
}
