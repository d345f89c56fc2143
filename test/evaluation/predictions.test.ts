import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatPrediction, writePredictions } from '../../src/evaluation/predictions.ts';
import { temporaryFolder } from './fixtures.ts';

const answers = [
  { id: 0, label: '1', prediction: '0', scores: [0.25, Math.fround(-0.1)] },
  { id: 'lit_3', label: null, prediction: '1', scores: [-12345.678, 1e-9] },
];

describe('the predictions file', () => {
  it('has one JSON line per example with scores of float32 precision', () => {
    expect(answers.map(formatPrediction)).toEqual([
      '{"id":0,"label":"1","prediction":"0","scores":[0.25,-0.1]}\n',
      '{"id":"lit_3","label":null,"prediction":"1","scores":[-12345.68,1e-9]}\n',
    ]);
  });

  it('is written whole into a folder that is made when needed, replacing a former one', async () => {
    const folder = path.join(await temporaryFolder(), 'new', 'out');
    const file = path.join(folder, 'afqmc-dev.jsonl');
    await writePredictions(file, answers);
    await writePredictions(file, answers.slice(0, 1));
    expect(await readFile(file, 'utf8')).toBe(formatPrediction(answers[0]!));
    expect(await readdir(folder)).toEqual(['afqmc-dev.jsonl']);
  });

  it('leaves nothing behind when it cannot be written', async () => {
    const folder = await temporaryFolder();
    await writeFile(path.join(folder, 'taken'), '');
    await expect(writePredictions(path.join(folder, 'taken', 'x.jsonl'), answers)).rejects.toThrow();
    expect(await readdir(folder)).toEqual(['taken']);
  });
});
