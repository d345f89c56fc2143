/**
 * Names and forms of the leaderboards' files. CLUE: its submission rules of 2021-09-04, by which the tasks whose test
 * set was replaced carry its version (tnews10, tnews11); the reading tasks as in Fengshenbang-LM
 * fengshen/examples/clue1.1/predict2submit and PaddleNLP examples/benchmark/clue/mrc. FewCLUE and ZeroCLUE:
 * CLUEbenchmark/FewCLUE resources/fewclue_submit_examples.
 */

export const BENCHMARKS = ['clue', 'clue1.1', 'fewclue', 'zeroclue'] as const;
export type Benchmark = (typeof BENCHMARKS)[number];

/**
 * What a file holds: lines `{"id", "label": "1"}`, lines with the candidate's number as `label` (C3) or `answer`
 * (FewCLUE's ChID), or one object that maps ids to texts (CMRC2018) or candidates' numbers (ChID).
 */
export type SubmissionForm = 'labels' | 'numbers' | 'answers' | 'texts-by-id' | 'numbers-by-id';

export interface SubmissionPlace {
  readonly file: string;
  /** The split that is submitted. */
  readonly split: string;
  readonly form: SubmissionForm;
}

const place = (file: string, split = 'test', form: SubmissionForm = 'labels'): SubmissionPlace => ({
  file: `${file}_predict.json`,
  split,
  form,
});

/** The tasks whose test set was never replaced. */
const SAME_IN_BOTH = {
  afqmc: place('afqmc'),
  iflytek: place('iflytek'),
  ocnli: place('ocnli_50k'),
  csl: place('csl'),
  cmrc2018: place('cmrc2018', 'test', 'texts-by-id'),
};

const FEW = {
  'fewclue-bustm': place('bustm'),
  'fewclue-chid': place('chidf', 'test', 'answers'),
  'fewclue-cluewsc': place('cluewscf'),
  'fewclue-csldcp': place('csldcp'),
  'fewclue-csl': place('cslf'),
  'fewclue-eprstmt': place('eprstmt'),
  'fewclue-iflytek': place('iflytekf'),
  'fewclue-ocnli': place('ocnlif'),
  'fewclue-tnews': place('tnewsf'),
};

/** Benchmark → task of ours → its file. */
const FILES: Readonly<Record<Benchmark, Readonly<Record<string, SubmissionPlace>>>> = {
  clue: {
    ...SAME_IN_BOTH,
    cmnli: place('cmnli'),
    tnews: place('tnews10', 'test1.0'),
    wsc: place('cluewsc10', 'test1.0'),
    c3: place('c310', 'test1.0', 'numbers'),
    chid: place('chid10', 'test1.0', 'numbers-by-id'),
  },
  'clue1.1': {
    ...SAME_IN_BOTH,
    tnews: place('tnews11'),
    wsc: place('cluewsc11'),
    c3: place('c311', 'test', 'numbers'),
    chid: place('chid11', 'test', 'numbers-by-id'),
  },
  fewclue: FEW,
  zeroclue: FEW,
};

/** What CLUE's baselines still call files that the rules have renamed. */
const FORMER_NAMES: Readonly<Record<string, string>> = {
  'tnews_predict.json': 'tnews',
  'cluewsc_predict.json': 'wsc',
  'wsc_predict.json': 'wsc',
  'c3_predict.json': 'c3',
  'chid_predict.json': 'chid',
};

/** Where a task's answers go in a benchmark; undefined for a task it does not have. */
export function submissionPlace(benchmark: Benchmark, task: string): SubmissionPlace | undefined {
  return Object.hasOwn(FILES[benchmark], task) ? FILES[benchmark][task] : undefined;
}

/** The task whose file this is, by its name of today. */
export function taskOfSubmission(benchmark: Benchmark, file: string): string | undefined {
  return Object.keys(FILES[benchmark]).find((task) => FILES[benchmark][task]!.file === file);
}

/** The task whose file once had this name, where the benchmark has the task. */
export function taskOfFormerName(benchmark: Benchmark, file: string): string | undefined {
  const task = Object.hasOwn(FORMER_NAMES, file) ? FORMER_NAMES[file]! : undefined;
  return task !== undefined && submissionPlace(benchmark, task) ? task : undefined;
}
