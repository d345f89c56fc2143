/** Predictions of the trained classifiers beside the repository on the dev sets of CLUE. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { loadSplit } from '../../src/evaluation/dataset.ts';
import { encoderScorer } from '../../src/evaluation/encoder-scorer.ts';
import { evaluateHead } from '../../src/evaluation/evaluate.ts';
import { getClueTask } from '../../src/evaluation/tasks/index.ts';
import { Encoder } from '../../src/pipelines/encoder.ts';
import { REPOSITORY } from '../report/provenance.ts';

const SHARED = path.resolve(REPOSITORY, '..', 'shared');
export const TASK_GOLDENS = path.join(SHARED, 'golden', 'eval');

const ARCHIVES: Readonly<Record<string, string>> = { wsc: 'cluewsc2020' };

/** Correct answers and every prediction of a model folder on (a part of) its task's dev set. */
export async function classifierAccuracy(
  golden: string,
  folder: string,
  limit: number,
): Promise<{ correct: number; examples: number; predictions: string[] }> {
  const name = golden.replace(/-1$/, '');
  const task = getClueTask(name);
  const source = path.join(SHARED, 'data', 'clue', `${ARCHIVES[name] ?? name}_public.zip`);
  const data = await loadSplit({ task, source, limit, seed: 0 });
  const model = await Encoder.open(folder, { threads: 2 });
  const predictionsFile = path.join(folder, 'predictions.jsonl');
  try {
    const { correct, examples } = await evaluateHead({
      ...{ task, data, predictionsFile, environment: {} },
      scorer: encoderScorer(model),
      model: { name: golden, revision: null, dtype: model.manifest.dtype },
    });
    const lines = readFileSync(predictionsFile, 'utf8').trim().split('\n');
    return { correct, examples, predictions: lines.map((line) => String(JSON.parse(line).prediction)) };
  } finally {
    await model.dispose();
  }
}
