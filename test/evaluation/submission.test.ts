import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { lintSubmission, submissionText } from '../../src/evaluation/submission.ts';
import {
  BENCHMARKS,
  submissionPlace,
  taskOfFormerName,
  taskOfSubmission,
} from '../../src/evaluation/submission-files.ts';
import { ALL_TASKS, getClueTask } from '../../src/evaluation/tasks/index.ts';
import { zipBytes } from '../../src/util/write-zip.ts';
import { openZip } from '../../src/util/zip.ts';

const lintAs = (name: string, text: string, expectedIds?: readonly (string | number)[]) => {
  const place = (['clue1.1', 'fewclue'] as const).map((key) => submissionPlace(key, name)).find(Boolean)!;
  const { file, form } = place;
  return lintSubmission({ task: getClueTask(name), form, file, bytes: Buffer.from(text), expectedIds }).map(
    ({ line, message }) => [line, message],
  );
};
const lint = (text: string, ids?: readonly number[]) => lintAs('csl', text, ids);

describe('a submission file', () => {
  it('has the leaderboards’ names', () => {
    const names = (benchmark: (typeof BENCHMARKS)[number], tasks: readonly string[]) =>
      tasks.map((task) => submissionPlace(benchmark, task)?.file.replace('_predict.json', ''));
    const clue = ['afqmc', 'tnews', 'iflytek', 'ocnli', 'wsc', 'csl', 'cmrc2018', 'c3', 'chid'];
    expect(names('clue1.1', clue).join()).toBe('afqmc,tnews11,iflytek,ocnli_50k,cluewsc11,csl,cmrc2018,c311,chid11');
    expect(names('clue', clue).join()).toBe('afqmc,tnews10,iflytek,ocnli_50k,cluewsc10,csl,cmrc2018,c310,chid10');
    expect(submissionPlace('clue1.1', 'tnews')).toMatchObject({ split: 'test', form: 'labels' });
    expect(submissionPlace('clue', 'tnews')).toMatchObject({ split: 'test1.0', form: 'labels' });
    expect(submissionPlace('zeroclue', 'fewclue-chid')).toEqual(submissionPlace('fewclue', 'fewclue-chid'));
    expect(taskOfFormerName('clue', 'cluewsc_predict.json')).toBe('wsc');
    expect(taskOfFormerName('fewclue', 'cluewsc_predict.json')).toBeUndefined();
    expect(submissionPlace('fewclue', 'fewclue-csl')?.file).toBe('cslf_predict.json');
    expect(submissionPlace('clue1.1', 'cmnli')).toBeUndefined();
    for (const benchmark of BENCHMARKS)
      for (const name of Object.keys(ALL_TASKS)) {
        const place = submissionPlace(benchmark, name);
        if (place) expect(taskOfSubmission(benchmark, place.file)).toBe(name);
      }
  });

  it('has the rows’ own ids, and an answer instead of a label for idioms', () => {
    expect(submissionText('labels', [{ id: 2415, prediction: '1' }])).toBe('{"id":2415,"label":"1"}\n');
    expect(submissionText('answers', [{ id: 3000, prediction: '6' }])).toBe('{"id":3000,"answer":6}\n');
    expect(submissionText('numbers', [{ id: 7, prediction: '2' }])).toBe('{"id":7,"label":2}\n');
  });

  it('is one object for the reading tasks of open answers and idioms', () => {
    const texts = submissionText('texts-by-id', [{ id: 'TEST_0_QUERY_0', prediction: '一座石桥' }]);
    expect(JSON.parse(texts)).toEqual({ TEST_0_QUERY_0: '一座石桥' });
    expect(lintAs('cmrc2018', texts, ['TEST_0_QUERY_0'])).toEqual([]);
    const numbers = submissionText('numbers-by-id', [{ id: '#idiom000009#', prediction: '6' }]);
    expect(JSON.parse(numbers)).toEqual({ '#idiom000009#': 6 });
    expect(lintAs('chid', numbers, ['#idiom000009#'])).toEqual([]);
    expect(lintAs('chid', '{"#idiom000009#":"6"}')[0]![1]).toMatch(/#idiom000009#: .*expected number/);
    expect(lintAs('chid', '{"#idiom000009#":10}')).toEqual([[undefined, '"10" is no label of chid']]);
    expect(lintAs('cmrc2018', '{"a":""}', ['a', 'b']).map(([, message]) => message)).toEqual([
      'a: the answer is empty',
      '1 ids of the test split are missing: b',
    ]);
  });

  it('passes when it is as written', () => {
    expect(lint('{"id":2415,"label":"1"}\n{"id":2565,"label":"0"}\n', [2415, 2565])).toEqual([]);
    expect(lintAs('fewclue-chid', '{"id":1,"answer":0}\n')).toEqual([]);
    expect(lintAs('c3', '{"id":1,"label":3}\n')).toEqual([]);
  });

  it('is refused for what the leaderboard would refuse', () => {
    expect(lint('{"id":1,"label":"2"}\n')).toEqual([[1, '"2" is no label of csl']]);
    expect(lint('{"id":1,"label":1}\n')[0]).toEqual([1, expect.stringMatching(/line 1: label: .*expected string/)]);
    expect(lint('{"id":1,"label":"1"}\n{"id":1,"label":"0"}\n')).toEqual([[2, 'id 1 stands in line 1 already']]);
    expect(lint('{"id":1,"label":"1"}\n{"id":9,"label":"0"}\n', [1, 2])).toEqual([
      [undefined, '1 ids of the test split are missing: 2'],
      [undefined, '1 ids are not in the test split: 9'],
    ]);
    expect(lint('{"id":2,"label":"1"}\n{"id":1,"label":"0"}\n', [1, 2])).toEqual([
      [undefined, expect.stringMatching(/order of the test split.*answer 1 has id 2, expected 1/)],
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
