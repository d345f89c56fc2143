/**
 * What each way of quantising costs and gives. Quality on trained models: the minis that come with fsb, on poems held out of
 * their training, and the classifiers of shared/golden/eval on CLUE dev sets. Speed on random weights of real dimensions.
 *
 *   npx tsx benchmarks/quantisation/quantisation.ts [--quality] [--tasks] [--speed] [--texts 150] [--rounds 5] [--save]
 *
 * Without one of the three all are done. `--save` writes results/*.json and benchmarks/README.md.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { median } from '../../src/bench/statistics.ts';
import { runTrial } from '../../src/bench/trial.ts';
import { tokenizerFiles } from '../../src/cli/tokenizer-files.ts';
import { convertCheckpoint } from '../../src/convert/convert.ts';
import { collectLogits, compareLogits, type Fidelity, planFidelity } from '../../src/evaluation/fidelity.ts';
import { importArchive } from '../../src/hub/import.ts';
import { openRunnable } from '../../src/pipelines/runnable.ts';
import { readManifest } from '../../src/registry/manifest.ts';
import { PRESETS, type PresetName } from '../checkpoints/presets.ts';
import { writeCheckpoint } from '../checkpoints/write-checkpoint.ts';
import { markdownTable } from '../report/markdown-table.ts';
import { provenance, REPOSITORY, updateReadme, writeResults } from '../report/provenance.ts';
import { writeWithOutliers } from './outliers.ts';
import { isDefault, SCHEMES, type Scheme, type SchemeName } from './schemes.ts';
import { classifierAccuracy, TASK_GOLDENS } from './tasks.ts';

const { values } = parseArgs({
  options: {
    quality: { type: 'boolean' },
    tasks: { type: 'boolean' },
    speed: { type: 'boolean' },
    texts: { type: 'string', default: '150' },
    rounds: { type: 'string', default: '5' },
    limit: { type: 'string', default: '1500' },
    save: { type: 'boolean' },
  },
});
const everything = !values.quality && !values.tasks && !values.speed;
const MINIS = ['wenzhong-mini', 'zhouwenwang-mini', 'erlangshen-mini', 'randeng-mini', 'erlangshen-mini-poet'] as const;
/** The same function as erlangshen-mini, with outlier channels. */
const WITH_OUTLIERS = 'erlangshen-mini, outliers';
const NAMES = Object.keys(SCHEMES) as SchemeName[];
const machine = provenance();
const work = await mkdtemp(path.join(os.tmpdir(), 'fsb-quantisation-'));
try {
  if (everything || values.quality) await quality();
  if (everything || values.tasks) await tasks();
  if (everything || values.speed) await speed();
} finally {
  rmSync(work, { recursive: true });
}

async function convert(checkpoint: string, name: SchemeName): Promise<string> {
  const target = path.join(work, `${path.basename(checkpoint)}-${name.replaceAll(/\W+/g, '-')}`);
  const { dtype, formats }: Scheme = SCHEMES[name];
  await convertCheckpoint(checkpoint, target, {
    dtype,
    formats,
    tokenizer: (plan) => tokenizerFiles(checkpoint, plan),
  });
  return target;
}

async function sizeOf(folder: string): Promise<number> {
  const { graphs } = await readManifest(folder);
  return (await stat(path.join(folder, graphs[0]!.dataFile!))).size;
}

async function quality(): Promise<void> {
  const lines = readFileSync(path.join(REPOSITORY, 'models', 'poet', 'test.json'), 'utf8')
    .trim()
    .split('\n');
  const texts = lines.slice(0, Number(values.texts)).map((line) => (JSON.parse(line) as { sentence: string }).sentence);
  const results: ({ model: string; scheme: SchemeName; isDefault: boolean; sizeBytes: number } & Fidelity)[] = [];
  for (const mini of [...MINIS, WITH_OUTLIERS]) {
    const checkpoint = path.join(work, mini);
    if (mini === WITH_OUTLIERS) await writeWithOutliers(path.join(work, 'erlangshen-mini'), checkpoint);
    else await importArchive(path.join(REPOSITORY, 'models', `${mini}.zip`), checkpoint);
    let reference: Float32Array[] | undefined;
    for (const scheme of NAMES) {
      const folder = await convert(checkpoint, scheme);
      const model = await openRunnable(folder);
      const plan = planFidelity(model, texts);
      const logits = await collectLogits(model, plan);
      await model.dispose();
      reference ??= logits;
      const workload = ['wenzhong-mini', 'randeng-mini'].includes(mini) ? 'decoder' : 'encoder';
      results.push({
        model: mini,
        scheme,
        isDefault: isDefault(scheme, workload),
        sizeBytes: await sizeOf(folder),
        ...compareLogits(plan, reference, logits),
      });
      rmSync(folder, { recursive: true });
    }
    console.error(mini);
  }
  const table = markdownTable(
    ['model', 'scheme', 'MB', 'KL, nats', 'same first choice', 'perplexity'],
    results.map((row) => [
      row.model,
      row.isDefault ? `**${row.scheme}**` : row.scheme,
      (row.sizeBytes / 1e6).toFixed(2),
      row.kl.toExponential(1),
      `${(100 * row.top1).toFixed(1)} %`,
      row.perplexity?.toFixed(1) ?? '–',
    ]),
  );
  save('quality', { texts: texts.length, results }, table);
}

async function tasks(): Promise<void> {
  if (!existsSync(TASK_GOLDENS))
    return console.error('left out: the trained classifiers are not beside this repository');
  const schemes: readonly SchemeName[] = ['fp32', 'int8 columns', 'int8 /32', 'int8 /128', 'int4 /32', 'int4 /128'];
  const results: { task: string; scheme: SchemeName; examples: number; correct: number; sameAsFloat: number }[] = [];
  for (const name of readdirSync(TASK_GOLDENS).filter((folder) => /^(afqmc|csl|tnews|wsc)/.test(folder))) {
    let reference: readonly string[] | undefined;
    for (const scheme of schemes) {
      const folder = await convert(path.join(TASK_GOLDENS, name), scheme);
      const { correct, examples, predictions } = await classifierAccuracy(name, folder, Number(values.limit));
      reference ??= predictions;
      results.push({
        task: name.replace(/-1$/, ''),
        scheme,
        examples,
        correct,
        sameAsFloat: predictions.filter((prediction, i) => prediction === reference![i]).length,
      });
      rmSync(folder, { recursive: true });
    }
    console.error(name);
  }
  const table = markdownTable(
    ['task', 'scheme', 'examples', 'accuracy', 'Δ points', 'same as fp32'],
    results.map(({ task, scheme, examples, correct, sameAsFloat }) => {
      const float = results.find((row) => row.task === task)!.correct;
      return [
        task,
        scheme,
        String(examples),
        `${((100 * correct) / examples).toFixed(2)} %`,
        ((100 * (correct - float)) / examples).toFixed(2),
        `${((100 * sameAsFloat) / examples).toFixed(2)} %`,
      ];
    }),
  );
  save('tasks', { results }, table);
}

/** Schemes take turns, round by round; the process stays, so load times and memory are not compared here. */
async function speed(): Promise<void> {
  const presets: readonly PresetName[] = ['bert-110m', 'gpt2-110m'];
  const results: object[] = [];
  const rows: string[][] = [];
  for (const preset of presets) {
    const checkpoint = path.join(work, preset);
    await writeCheckpoint(checkpoint, PRESETS[preset]);
    const names = NAMES.filter((name) => name !== 'fp16');
    const folders = new Map<SchemeName, string>();
    for (const name of names) folders.set(name, await convert(checkpoint, name));
    const trials = new Map(names.map((name) => [name, [] as Awaited<ReturnType<typeof runTrial>>[]]));
    for (let round = 0; round < Number(values.rounds); round++)
      for (const name of names)
        trials.get(name)!.push(await runTrial(folders.get(name)!, { newTokens: 32, threads: 2 }));
    for (const name of names) {
      const shapes = trials.get(name)![0]!.shapes.map((shape, i) => {
        const over = (of: 'examplesPerSecond' | 'prefillTokensPerSecond' | 'decodeTokensPerSecond') =>
          shape[of] === null ? null : median(trials.get(name)!.map((trial) => trial.shapes[i]![of]!));
        return {
          ...{ batch: shape.batch, sequence: shape.sequence },
          examplesPerSecond: over('examplesPerSecond'),
          prefillTokensPerSecond: over('prefillTokensPerSecond'),
          decodeTokensPerSecond: over('decodeTokensPerSecond'),
        };
      });
      const sizeBytes = await sizeOf(folders.get(name)!);
      results.push({ preset, scheme: name, sizeBytes, shapes });
      const size = (sizeBytes / 1e6).toFixed(0);
      const bold = isDefault(name, preset === 'gpt2-110m' ? 'decoder' : 'encoder') ? `**${name}**` : name;
      const cells = shapes.flatMap((shape) =>
        shape.examplesPerSecond === null
          ? [
              `prefill ${shape.prefillTokensPerSecond!.toFixed(0)} tok/s`,
              `decode ${shape.decodeTokensPerSecond!.toFixed(1)} tok/s`,
              '',
            ]
          : [`${shape.batch}×${shape.sequence}: ${shape.examplesPerSecond.toFixed(1)}/s`],
      );
      rows.push([preset, bold, size, ...cells]);
    }
    for (const folder of folders.values()) rmSync(folder, { recursive: true });
  }
  save('speed', { results }, markdownTable(['weights', 'scheme', 'MB', 'speed', '', ''], rows));
}

function save(part: string, results: object, table: string): void {
  console.log(table);
  if (!values.save) return;
  const file = writeResults('quantisation', part, { benchmark: `quantisation ${part}`, ...machine, ...results });
  updateReadme(
    `quantisation:${part}`,
    `\`npx tsx benchmarks/quantisation/quantisation.ts --${part} --save\` on ${machine.cpu}, 2 threads (${machine.date.slice(0, 10)}, ${file})\n\n${table}`,
  );
}
