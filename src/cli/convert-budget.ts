/** --budget: finds the format of each matrix by running variants of the model on calibration texts. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { openCheckpoint } from '../checkpoint/open.ts';
import type { Budget } from '../convert/budget.ts';
import { type Candidate, type Choice, chooseFormats } from '../convert/choose-formats.ts';
import { convertCheckpoint, planModel, readConfig } from '../convert/convert.ts';
import { type Formats, formatLadder, nameOfFormat } from '../convert/dtypes.ts';
import { listQuantizable, TrialGraphs } from '../convert/trial-graphs.ts';
import {
  collectLogits,
  compareLogits,
  type Fidelity,
  type FidelityPlan,
  planFidelity,
} from '../evaluation/fidelity.ts';
import type { MatrixFormat } from '../onnx/graph.ts';
import { openRunnable } from '../pipelines/runnable.ts';
import { temporaryFolder } from '../registry/home.ts';
import type { ManifestPrecision } from '../registry/manifest.ts';
import { NotFoundError, UsageError, ValidationError } from '../util/errors.ts';
import { makeFolder, pathExists } from '../util/files.ts';
import type { Context } from './context.ts';
import { tokenizerFiles } from './tokenizer-files.ts';

/** The texts that come with fsb: everyday sentences, old poems, a few forms of the web. */
const BUNDLED_TEXTS = fileURLToPath(new URL('../../models/calibration.txt', import.meta.url));
/** More lines than this cost minutes and change the choice little. */
const MAX_TEXTS = 64;

export interface BudgetOptions {
  readonly budget: Budget;
  readonly dtype: 'int8' | 'int4';
  /** Texts, one a line. @default those that come with fsb */
  readonly calibrate?: string | undefined;
}

/** Formats within the budget, with what the manifest says of them, once the finished model has been measured. */
export interface BudgetedFormats {
  readonly formats: Formats;
  /** Measures the finished folder. Throws ValidationError (exit code 9) when it is beyond the budget. */
  readonly measure: (folder: string) => Promise<Fidelity>;
  readonly precision: ManifestPrecision;
}

/** Throws UsageError for texts of which the model can predict nothing, ValidationError when the budget cannot be held. */
export async function formatsWithinBudget(
  context: Context,
  source: string,
  { budget, dtype, calibrate }: BudgetOptions,
): Promise<BudgetedFormats> {
  const { file, sha256, texts } = await readTexts(calibrate);
  const parent = temporaryFolder(context.environment.home);
  await makeFolder(parent);
  const work = await mkdtemp(path.join(parent, 'budget-'));
  const checkpoint = await openCheckpoint(source);
  try {
    const { plan, tensors } = planModel(checkpoint, await readConfig(checkpoint));
    const folder = path.join(work, 'float32');
    await convertCheckpoint(source, folder, {
      dtype: 'fp32',
      tokenizer: (modelPlan) => tokenizerFiles(source, modelPlan),
      signal: context.signal,
    });
    const reference = await readReference(folder, texts, calibrate ?? 'the texts that come with fsb');
    const trials = await TrialGraphs.open(folder, plan, tensors);
    const matrices = listQuantizable(plan, dtype);
    const candidates = matrices.map(
      ({ name, source: { rows, columns }, format }): Candidate<MatrixFormat> => ({
        name,
        size: rows * columns,
        ladder: formatLadder(dtype, plan.workload, format),
      }),
    );
    const progress = await context.output.progress(context.messages.choosingFormats(matrices.length), 'trials');
    let done = 0;
    const choices = await chooseFormats(candidates, budget.limit, async (formats) => {
      context.signal.throwIfAborted();
      const fidelity = await trials.with(formats, () => reference.compare(folder, context.signal));
      progress.update(++done);
      return differenceOf(budget, fidelity);
    }).finally(() => progress.stop());
    const chosen = new Map(choices.map(({ name, format }) => [name, format]));
    const measured = await trials.with(chosen, () => reference.compare(folder, context.signal));
    const count = { texts: texts.length, places: reference.plan.places.length };
    return {
      formats: { matrices: chosen },
      measure: async (finished) => requireWithin(budget, await reference.compare(finished, context.signal)),
      precision: describe(budget, measured, choices, { file, sha256, ...count }),
    };
  } finally {
    await checkpoint.close();
    await rm(work, { recursive: true, force: true });
  }
}

// --- internal ---

interface Reference {
  readonly plan: FidelityPlan;
  /** How a model folder's predictions compare with those of the float32 model. */
  readonly compare: (folder: string, signal: AbortSignal) => Promise<Fidelity>;
}

async function readReference(folder: string, texts: readonly string[], where: string): Promise<Reference> {
  const model = await openRunnable(folder);
  try {
    const plan = planFidelity(model, texts);
    if (plan.places.length === 0)
      throw new UsageError(`${where}: nothing to predict; expected lines of text`, { code: 'empty-calibration' });
    const reference = await collectLogits(model, plan);
    return {
      plan,
      compare: async (other, signal) => compareLogits(plan, reference, await logitsOf(other, plan, signal)),
    };
  } finally {
    await model.dispose();
  }
}

async function logitsOf(folder: string, plan: FidelityPlan, signal: AbortSignal): Promise<Float32Array[]> {
  const model = await openRunnable(folder);
  try {
    return await collectLogits(model, plan, signal);
  } finally {
    await model.dispose();
  }
}

/** Lines with something in them; JSON lines are not looked into. */
async function readTexts(file = BUNDLED_TEXTS): Promise<{ file: string; sha256: string; texts: string[] }> {
  if (!(await pathExists(file)))
    throw new NotFoundError(`--calibrate ${file} does not exist`, { code: 'file-not-found' });
  const bytes = await readFile(file);
  const lines = bytes
    .toString('utf8')
    .split(/\r?\n/)
    .map((line) => line.trim());
  const texts = lines.filter((line) => line !== '').slice(0, MAX_TEXTS);
  return { file: path.basename(file), sha256: createHash('sha256').update(bytes).digest('hex'), texts };
}

function differenceOf({ measure }: Budget, { kl, top1 }: Fidelity): number {
  return measure === 'kl' ? kl : 100 * (1 - top1);
}

function requireWithin(budget: Budget, fidelity: Fidelity): Fidelity {
  const value = differenceOf(budget, fidelity);
  if (value <= budget.limit) return fidelity;
  throw new ValidationError(
    `the finished model has ${budget.measure} ${value.toPrecision(3)}, beyond --budget ${budget.measure}=${budget.limit}`,
    { code: 'budget-exceeded', hint: 'allow more, or convert to a larger --dtype' },
  );
}

function describe(
  budget: Budget,
  { kl, top1 }: Fidelity,
  choices: readonly Choice<MatrixFormat>[],
  calibration: ManifestPrecision['calibration'],
): ManifestPrecision {
  return {
    budget: { ...budget },
    measured: { kl, accuracyDrop: 100 * (1 - top1) },
    calibration,
    matrices: choices.map(({ name, format, alone }) => ({ name, format: nameOfFormat(format), alone })),
  };
}
