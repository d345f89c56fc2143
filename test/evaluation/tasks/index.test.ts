import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadSplit } from '../../../src/evaluation/dataset.ts';
import { CLUE_TASKS, getClueTask } from '../../../src/evaluation/tasks/index.ts';
import { loadRegistry } from '../../../src/registry/registry.ts';
import { FIXTURES } from '../fixtures.ts';

const dev = async (name: keyof typeof CLUE_TASKS) =>
  (await loadSplit({ task: CLUE_TASKS[name], source: path.join(FIXTURES, name) })).examples;

describe('every task', () => {
  for (const [key, task] of Object.entries(CLUE_TASKS)) {
    it(`${key} is named as its key and consistent in itself`, () => {
      const values = task.labels.map((label) => label.value);
      expect(task.name).toBe(key);
      expect(new Set(values).size).toBe(values.length);
      expect(new Set(task.labels.map((label) => label.zh)).size).toBe(values.length);
      const majority = task.devMajority!;
      expect(values).toContain(majority.label);
      expect(majority.examples).toBeGreaterThanOrEqual(majority.count);
      expect(Object.keys(task.splits)).toEqual(expect.arrayContaining(['train', 'dev', 'test']));
      for (const dropped of task.droppedLabels) expect(values).not.toContain(dropped);
    });

    it(`${key} refuses a row without its fields and says which`, () => {
      expect(() => task.parseRow({ label: task.labels[0]!.value }, 'dev.json, line 3')).toThrow(
        /^dev\.json, line 3: (sentence|sentence1|text|keyword): .*expected (string|array)/,
      );
      expect(() => task.parseRow([], 'dev.json, line 3')).toThrow(/expected object, received array/);
    });
  }

  it('has a data set of the registry with a file for each of its splits', async () => {
    const registry = await loadRegistry({ overlayFile: null });
    for (const task of Object.values(CLUE_TASKS)) {
      const files = registry.datasets[task.dataset]?.files.map((file) => file.path);
      expect(files, task.name).toEqual(expect.arrayContaining(Object.values(task.splits)));
    }
  });
});

describe('the bundled poet data', () => {
  it('loads with the counts that the task and the registry state', async () => {
    const registry = await loadRegistry({ overlayFile: null });
    const knownFiles = registry.datasets.poet!.files;
    for (const split of ['train', 'dev', 'test']) {
      const data = await loadSplit({ task: CLUE_TASKS.poet, source: path.resolve('models/poet'), split, knownFiles });
      expect(data).toMatchObject({ official: true, labelled: true, dropped: 0 });
      expect(data.available).toBe(knownFiles.find((file) => file.path === `${split}.json`)!.rows);
    }
  });
});

describe('labels', () => {
  it('stand in the order of the CLUE baselines', () => {
    const values = (name: keyof typeof CLUE_TASKS) => CLUE_TASKS[name].labels.map((label) => label.value);
    expect(values('afqmc')).toEqual(['0', '1']);
    expect(values('tnews').join()).toBe('100,101,102,103,104,106,107,108,109,110,112,113,114,115,116');
    expect(values('iflytek')).toEqual(Array.from({ length: 119 }, (_, i) => String(i)));
    expect(values('ocnli')).toEqual(['contradiction', 'entailment', 'neutral']);
    expect(values('cmnli')).toEqual(['contradiction', 'entailment', 'neutral']);
    expect(values('wsc')).toEqual(['true', 'false']);
    expect(values('csl')).toEqual(['0', '1']);
    expect(values('poet')).toEqual(['李白', '杜甫', '白居易', '李商隐', '苏轼', '辛弃疾']);
  });
});

describe('input forms', () => {
  it('pairs the sentences of afqmc', async () => {
    expect((await dev('afqmc'))[0]).toEqual({ id: 0, text: '怎么开通零钱', pair: '零钱在哪里开通', label: '1' });
  });

  it('reads the headline alone of tnews, not its keywords, and integer labels as strings', async () => {
    expect(await dev('tnews')).toEqual([
      { id: 0, text: '主队主场三比零取胜', label: '103' },
      { id: 1, text: '新赛季的地图上线了', label: '116' },
      { id: 2, text: '马拉松下周开跑', label: '103' },
    ]);
  });

  it('reads the description of iflytek', async () => {
    expect((await dev('iflytek'))[1]).toEqual({ id: 1, text: '一个什么都能做的小工具。', label: '118' });
  });

  it('pairs premise and hypothesis of ocnli and leaves out rows labelled "-", keeping the ids', async () => {
    const examples = await dev('ocnli');
    expect(examples.map(({ id, label }) => [id, label])).toEqual([
      [0, 'entailment'],
      [2, 'neutral'],
      [3, 'contradiction'],
    ]);
    expect(examples[0]).toMatchObject({ text: '门开着', pair: '门没有关' });
  });

  it('puts the keywords of csl first, joined by spaces, and reads up to 256 tokens', async () => {
    expect(await dev('csl')).toEqual([
      {
        id: 7,
        text: '排序 sorting algorithm',
        pair: '本文提出一种新的排序算法。',
        label: '1',
        fields: {
          keywords: '排序，sorting algorithm',
          abst: '本文提出一种新的排序算法。',
          abst300: '本文提出一种新的排序算法。',
        },
      },
      expect.objectContaining({ id: 3, text: '排序 水稻 遗传', label: '0' }),
    ]);
    expect(CLUE_TASKS.csl.maxLength).toBe(256);
  });

  it('reads the couplet of poet', async () => {
    expect((await dev('poet'))[0]).toEqual({ id: 0, text: '床前明月光，疑是地上霜。', label: '李白' });
  });
});

describe('getClueTask', () => {
  it('finds a task by name in any case', () => {
    expect(getClueTask('TNEWS')).toBe(CLUE_TASKS.tnews);
  });

  it('refuses other names with the nearest one or the list', () => {
    expect(() => getClueTask('afqcm')).toThrow(expect.objectContaining({ exitCode: 3, hint: 'did you mean afqmc?' }));
    expect(() => getClueTask('toString')).toThrow(
      expect.objectContaining({ code: 'task-not-found', hint: expect.stringContaining('afqmc, tnews, iflytek') }),
    );
  });
});
