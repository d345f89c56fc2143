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

/** One row in a model's input form. */
export interface ClueRow {
  /** The row's own id; undefined where the file has none. */
  readonly id: string | number | undefined;
  readonly text: string;
  /** The second segment of a pair task. */
  readonly pair?: string;
  /** undefined in the unlabelled test files. */
  readonly label: string | undefined;
}

/** The most frequent label of the dev split: what a model must beat. */
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
  /** Split → base name of its file, wherever that lies in the folder or archive. */
  readonly splits: Readonly<Record<string, string>>;
  /** In the order of CLUE's own baselines (index = logit, where a checkpoint names no labels). */
  readonly labels: readonly ClueLabel[];
  /** Labels whose rows are left out of training and scoring ("-": the annotators did not agree). */
  readonly droppedLabels: readonly string[];
  /** Longest input in tokens, special tokens included. */
  readonly maxLength: number;
  readonly metric: 'accuracy';
  readonly devMajority: MajorityFact;
  /** Checks one parsed JSON line and builds the input. Throws IntegrityError that begins with `where`. */
  readonly parseRow: (value: unknown, where: string) => ClueRow;
}
