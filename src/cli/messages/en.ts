import type { ManifestPrecision } from '../../registry/manifest.ts';

/** English texts of the command line. Other languages have the same keys (see index.ts). */
export const en = {
  tagline: 'Fengshenbang (封神榜) Chinese models from a download link to a measured answer, without Python',
  helpFooter: 'Start here: fsb demo      Help for a command: fsb COMMAND --help',
  summaries: {
    list: 'list the models (or tasks) that fsb knows, and what is on this machine',
    info: 'show what a model is: sources, needs, published scores, caveats',
    pull: 'download a checkpoint and check its hashes',
    import: 'take in a checkpoint from a zip or folder at hand',
    verify: 'check the files of a checkpoint or model against their hashes, and a model against its probes',
    inspect: 'list tensors of a checkpoint or the inputs, outputs and operators of a graph',
    diff: 'tell whether two checkpoints or models hold the same weights',
    convert: 'turn a checkpoint into a model folder (ONNX)',
    infer: 'run a graph on ids or text and print its named outputs',
    fillMask: 'predict the [MASK] tokens of a text',
    classify: 'classify a text or a pair of texts',
    embed: 'turn texts into vectors',
    similarity: 'score how alike two texts are',
    tokenize: 'split text into tokens, or turn ids back into text',
    generate: 'continue a prompt',
    score: 'log-probability of candidates, or the perplexity of a text',
    eval: 'score a model on CLUE tasks',
    bench: 'measure speed and memory on this machine',
    doctor: 'show what this machine can do, and why not',
    demo: 'the whole way on the embedded models, offline',
  },
  pulling: (name: string) => `pulling ${name}`,
  converting: (name: string, dtype: string) => `converting ${name} (${dtype})`,
  choosingFormats: (matrices: number) => `choosing formats of ${matrices} matrices`,
  precision: ({ measured, matrices }: ManifestPrecision) => [
    `against float32: KL divergence ${measured.kl.toExponential(1)} nats, another first choice at ${measured.accuracyDrop.toFixed(1)} % of places`,
    `formats: ${countFormats(matrices)}`,
  ],
  evaluating: (task: string) => `evaluating ${task}`,
  dependsOnBatch: (name: string, dtype: string) =>
    `${name} in ${dtype}: an answer depends a little on the texts beside it (one scale for a batch); not so with --dtype fp32`,
  missingStep: (name: string, step: string) => `${name}: not on this machine yet, so first: ${step}`,
  cosineSimilarity: (name: string) => `${name} has no similarity head: the score is the cosine of mean vectors`,
  source: (label: string) => `from ${label}`,
  waitingFor: (pid: number, host: string) => `process ${pid} on ${host} is pulling the same; waiting for it`,
  resumePull: (held: string) =>
    `stopped at ${held}; finished pieces are kept: run the same command again to go on from there`,
  leftOut: (paths: string) => `left out, not part of the checkpoint: ${paths}`,
  offlineHint: (name: string) =>
    `offline: run "fsb pull ${name}" once with a network, or take in a copy: fsb import FILE --as ${name}`,
  importing: (what: string) => `importing ${what}`,
  verifying: (what: string) => `verifying ${what}`,
  dataset: (name: string) => `downloading the data of ${name}`,
  evalModel: (task: string, model: string, reason: string) => `${task}: no --model, so ${model}. ${reason}`,
  evalMethod: (task: string, method: string) =>
    `${task}: the model answers by ${method} (--method chooses another way)`,
  readingFeatures: (task: string, split: string) => `${task}: reading ${split} for the probe`,
  fitting: (task: string) => `${task}: training the probe`,
  trained: (task: string, split: string, fitted: number, heldOut: number, l2: number, tried: number) =>
    `${task}: probe trained on ${fitted} examples of ${split}; L2 ${l2}, the best of ${tried} on ${heldOut} held out`,
  overlap: (task: string, count: number, scored: string, trained: string) =>
    `${task}: ${count} of the examples of ${scored} are among those of ${trained} that the probe was trained on`,
  resumeHint: (out: string) => `what was computed is kept; go on with the same command and --out ${out} --resume`,
  reportIn: (file: string) => `report: ${file}`,
  compared: (
    name: string,
    c: {
      examples: number;
      bothRight: number;
      onlyFirst: number;
      onlySecond: number;
      bothWrong: number;
      difference: number;
      pValue: number;
    },
  ) =>
    `${name}: ${c.examples} examples; both right ${c.bothRight}, only the first ${c.onlyFirst}, only the second ${c.onlySecond}, both wrong ${c.bothWrong}\n` +
    `second minus first: ${(100 * c.difference).toFixed(2)} points, McNemar p = ${c.pValue.toPrecision(3)}`,
  compareColumns: ['id', 'label', 'first', 'second'],
  moreFlipped: (count: number) => `and ${count} more flipped examples (--json has all)`,
  submissionIn: (file: string) => `submission: ${file}`,
  lintOk: (file: string, entries: number) => `${file}: ${entries} files, as the leaderboard expects them`,
  contaminated: (model: string) =>
    `${model}: its training data may contain this task; do not take the score for a held-out one`,
  evalTook: (run: string, examples: number, time: string) => `${run}: ${examples} examples in ${time}`,
  predictionsIn: (file: string) => `predictions: ${file}`,
  published: 'published',
  demo: {
    title: 'fsb demo: from a zip to an answer and a score, offline, on two small models that come with fsb',
    pull: 'pull: unpack the checkpoint and check its hashes',
    verify: 'verify: every byte again',
    convert: 'convert: build the ONNX graph, stream the weights, check against float64 arithmetic',
    fillMask: 'fill-mask: which character stands there?',
    classify: 'classify: who wrote these lines?',
    eval: 'eval: the poet task, 600 rows it has not seen',
    report: (file: string) => `a page to look at: ${file}`,
    next: 'next: fsb list, fsb info erlangshen-1.3b, fsb eval --task afqmc --data afqmc_public.zip --model DIR',
  },
  englishOnly: (name: string) => `${name} was trained on English text; a Chinese prompt gives nonsense`,
  notInBaseline: (row: string, file: string) => `${row}: not in ${file}, so not compared`,
  truncated: (truncated: number, texts: number) =>
    `${truncated === 1 && texts === 1 ? 'the text is' : `${truncated} of ${texts} texts are`} longer than the model reads: what does not fit was cut off`,
  zeroShot: (method: string, template: string) => `zero-shot by ${method}: ${template} (--template asks otherwise)`,
  device: (device: string) => `device: ${device}`,
  explain: {
    title: (graph: string, device: string, runs: number, recorded: number) =>
      `${graph} on ${device}: ${runs} ${runs === 1 ? 'run' : 'runs'}${recorded < runs ? `, the first ${recorded} recorded` : ''}`,
    columns: ['device', 'operator', 'nodes', 'calls', '% of time'],
    others: (count: number) => `${count} other types`,
    crossed: ({ toDevice, toHost }: { toDevice: string; toHost: string }) =>
      `crossed per token: ${toDevice} to the device, ${toHost} back`,
    lastRun: (tokens: number, { toDevice, toHost }: { toDevice: string; toHost: string }) =>
      `in the last run (tokens: ${tokens}) per token: ${toDevice} to the device, ${toHost} back`,
  },
};

/** "12 int4/32, 3 int8/32". */
export function countFormats(matrices: ManifestPrecision['matrices']): string {
  const counts = new Map<string, number>();
  for (const { format } of matrices) counts.set(format, (counts.get(format) ?? 0) + 1);
  return [...counts].map(([format, count]) => `${count} ${format}`).join(', ');
}
