/** What a CLUE task is: data (files, labels) and one small function, from a row to a model's input. */

/** A label as the data set writes it, with names for people and the spellings that classifiers in the wild use. */
export interface ClueLabel {
  /** As in the data set's rows and in submission files. */
  readonly value: string;
  readonly zh: string;
  readonly en?: string;
  /** Other spellings of the same label in `id2label` of published models; compared without regard to case. */
  readonly aliases?: readonly string[];
}

/** Words for the labels of a prompt: one per label, or the row's own candidates (an idiom test has others in each row). */
export type LabelWords = Readonly<Record<string, string>> | 'candidates';

/**
 * A pattern with slots. `{text}` and `{pair}` are the row's segments, other slots its `fields`; slots are filled once,
 * so braces and masks in the row's own text mean nothing.
 */
export interface ClozePrompt {
  /** Holds `{mask}` once, which becomes one mask per token of the label words. */
  readonly pattern: string;
  readonly words: LabelWords;
  /** Longest input in tokens. @default the task's */
  readonly maxLength?: number;
}

export interface LmPrompt {
  /** What is read before anything is scored. With `{label}` in it (label first), it is read once per label. */
  readonly prompt: string;
  /** What is scored, by the mean log-likelihood of its tokens. @default "{label}" */
  readonly continuation?: string;
  readonly words: LabelWords;
}

export interface InfillPrompt {
  /** What the encoder reads; holds `{mask}` once, which becomes the vocabulary's first sentinel. */
  readonly source: string;
  readonly words: LabelWords;
}

/** What a UniMC model chooses among: each choice is read behind a mask of its own, beside the question and the text. */
export interface UnimcPrompt {
  /** Stands before the text, in a segment of its own. @default none */
  readonly question?: string;
  /** The text, with slots. @default "{text}" */
  readonly text?: string;
  /** A second text, with slots. @default none */
  readonly pair?: string;
  /** The choice of each label, with slots. */
  readonly words: LabelWords;
}

/** What a model of inference is asked: a hypothesis per label (`words`), or one whose class tells the label (`classes`). */
export interface NliPrompt {
  /** @default "{text}" */
  readonly premise?: string;
  /** Holds `{label}` where there are words. */
  readonly hypothesis: string;
  readonly words?: LabelWords;
  /** The class of inference that stands for each label. */
  readonly classes?: Readonly<Record<string, 'entailment' | 'neutral' | 'contradiction' | 'not-entailment'>>;
}

/** How models without a head for the task are asked. A method whose prompt is absent is not offered. */
export interface Prompts {
  readonly cloze?: ClozePrompt;
  readonly lm?: LmPrompt;
  /** The label stands before the text (CPM-1's form): costs one reading per label. */
  readonly lmLabelFirst?: LmPrompt;
  readonly infill?: InfillPrompt;
  readonly unimc?: UnimcPrompt;
  readonly nli?: NliPrompt;
}

/** One row in a model's input form. */
export interface ClueRow {
  /** The row's own id; undefined where the file has none. */
  readonly id: string | number | undefined;
  readonly text: string;
  /** The second segment of a pair task. */
  readonly pair?: string;
  /** undefined in the unlabelled test files. */
  readonly label: string | undefined;
  /** Further slots of prompts, where text and pair are not all there is. */
  readonly fields?: Readonly<Record<string, string>>;
  /** Words to choose from, in the order of the task's labels, where they differ from row to row; at most as many. */
  readonly candidates?: readonly string[];
  /** Rows of one group share their candidates, and each candidate answers one of them at most (ChID's passages). */
  readonly group?: number;
  /** Open questions: every answer that counts as right; `label` is the first. */
  readonly answers?: readonly string[];
}

/** A row before its task has read it. */
export interface RawRow {
  /** File and line, or the place in a document, for messages. */
  readonly where: string;
  /** From 1, where rows are lines. */
  readonly line?: number;
  readonly value: unknown;
}

/** A file of a split as it was read. */
export interface SplitBytes {
  /** For messages: "afqmc_public.zip/dev.json". */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The most frequent label of the default split: what a model must beat. */
export interface MajorityFact {
  readonly label: string;
  readonly count: number;
  /** Rows that are scored, without dropped ones. */
  readonly examples: number;
}

export interface ClueTask {
  readonly name: string;
  readonly title: { readonly zh: string; readonly en: string };
  /** Key of the data set in registry.json, which knows its sources, hashes and licence. */
  readonly dataset: string;
  /** Which benchmark's published scores these are. @default "clue" */
  readonly benchmark?: 'clue' | 'fewclue';
  /** What registry.json calls the task, where several benchmarks have one of this name. @default `name` */
  readonly publishedAs?: string;
  /** The split that is scored when none is named. @default "dev" */
  readonly defaultSplit?: string;
  /** Split → its file or files: base names, or ends of paths, wherever they lie in the folder or archive. */
  readonly splits: Readonly<Record<string, string | readonly string[]>>;
  /** Split → the file that holds its answers, where these stand apart from the rows. */
  readonly answerFiles?: Readonly<Record<string, string>>;
  /** The rows of a file that holds no JSON lines. @default one per line */
  readonly readRows?: (file: SplitBytes, answers?: SplitBytes) => Iterable<RawRow>;
  /**
   * What a fine-tuned model answers with: a class, the best of the row's candidates (a model reads each and gives one
   * logit), or a span of the text. @default "class"
   */
  readonly head?: 'class' | 'choice' | 'span';
  /** In the order of CLUE's own baselines (index = logit, where a checkpoint names no labels). Spans have none. */
  readonly labels: readonly ClueLabel[];
  /** Labels whose rows are left out of training and scoring ("-": the annotators did not agree). */
  readonly droppedLabels: readonly string[];
  /** Longest input in tokens, special tokens included. */
  readonly maxLength: number;
  /** Exact match is the accuracy of open questions; their F1 is given beside it. */
  readonly metric: 'accuracy' | 'exact-match';
  /** Absent for a user's own task. */
  readonly devMajority?: MajorityFact;
  readonly prompts?: Prompts;
  /** Where labels are a row's candidates: the text with the candidate in the place of `{label}`, for a trained probe. */
  readonly candidateText?: string;
  /** Checks one parsed JSON line and builds the input. Throws IntegrityError that begins with `where`. */
  readonly parseRow: (value: unknown, where: string) => ClueRow;
}
