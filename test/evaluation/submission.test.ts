import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  BENCHMARKS,
  lintSubmission,
  submissionLines,
  submissionPlace,
  taskOfSubmission,
} from '../../src/evaluation/submission.ts';
import { ALL_TASKS, getClueTask } from '../../src/evaluation/tasks/index.ts';
import { zipBytes } from '../../src/util/write-zip.ts';
import { openZip } from '../../src/util/zip.ts';

const { csl } = ALL_TASKS;
const chid = getClueTask('fewclue-chid');
const lint = (text: string, ids?: readonly number[]) =>
  lintSubmission(csl!, 'csl_predict.json', Buffer.from(text), ids).map(({ line, message }) => [line, message]);

describe('a submission file', () => {
  it('has the leaderboards’ names', () => {
    expect(submissionPlace('clue1.1', 'tnews')).toEqual({ file: 'tnews11_predict.json', split: 'test' });
    expect(submissionPlace('clue', 'tnews')).toEqual({ file: 'tnews_predict.json', split: 'test1.0' });
    expect(submissionPlace('fewclue', 'fewclue-csl')?.file).toBe('cslf_predict.json');
    expect(submissionPlace('clue1.1', 'cmnli')).toBeUndefined();
    for (const benchmark of BENCHMARKS)
      for (const name of Object.keys(ALL_TASKS)) {
        const place = submissionPlace(benchmark, name);
        if (place) expect(taskOfSubmission(benchmark, place.file)).toBe(name);
      }
  });

  it('has the rows’ own ids, and an answer instead of a label for idioms', () => {
    expect(submissionLines(csl!, [{ id: 2415, prediction: '1' }])).toBe('{"id":2415,"label":"1"}\n');
    expect(submissionLines(chid, [{ id: 3000, prediction: '6' }])).toBe('{"id":3000,"answer":6}\n');
  });

  it('passes when it is as written', () => {
    expect(lint('{"id":2415,"label":"1"}\n{"id":2565,"label":"0"}\n', [2565, 2415])).toEqual([]);
    expect(lintSubmission(chid, 'x', Buffer.from('{"id":1,"answer":0}\n'))).toEqual([]);
  });

  it('is refused for what the leaderboard would refuse', () => {
    expect(lint('{"id":1,"label":"2"}\n')).toEqual([[1, '"2" is no label of csl']]);
    expect(lint('{"id":1,"label":1}\n')[0]).toEqual([1, expect.stringMatching(/line 1: label: .*expected string/)]);
    expect(lint('{"id":1,"label":"1"}\n{"id":1,"label":"0"}\n')).toEqual([[2, 'id 1 stands in line 1 already']]);
    expect(lint('{"id":1,"label":"1"}\n{"id":9,"label":"0"}\n', [1, 2])).toEqual([
      [undefined, '1 ids of the test split are missing: 2'],
      [undefined, '1 ids are not in the test split: 9'],
    ]);
    expect(lint('')).toEqual([[undefined, 'holds no answers']]);
    expect(lint('nonsense\n')[0]![1]).toMatch(/line 1: expected one JSON object/);
  });

  it('is zipped so that our own reader and others open it', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'fsb-zip-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const file = path.join(folder, 'x.zip');
    const long = Buffer.from('{"id":1,"label":"故事"}\n'.repeat(5000));
    await writeFile(
      file,
      zipBytes([
        { name: 'a.json', bytes: long },
        { name: '名.json', bytes: Buffer.alloc(0) },
      ]),
    );
    const archive = await openZip(file);
    expect(archive.entries.map((entry) => entry.path)).toEqual(['a.json', '名.json']);
    const chunks: Buffer[] = [];
    for await (const chunk of archive.stream(archive.entries[0]!)) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(long)).toBe(true);
    await archive.close();
  });
});
