/** Methods on the embedded minis: what they read, how they cut, which one suits a model. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClueTask } from '../../src/evaluation/clue-task.ts';
import type { Example } from '../../src/evaluation/dataset.ts';
import { clozeMethod } from '../../src/evaluation/methods/cloze.ts';
import type { MethodName } from '../../src/evaluation/methods/method.ts';
import { type AnsweringModel, chooseMethod, openForMethod } from '../../src/evaluation/methods/open.ts';
import { fillPrompt, labelWords, splitAtMask } from '../../src/evaluation/methods/prompt.ts';
import { NOT_OFFERED, predict } from '../../src/evaluation/predict.ts';
import { ALL_TASKS, CLUE_TASKS } from '../../src/evaluation/tasks/index.ts';
import { Encoder } from '../../src/pipelines/encoder.ts';
import { readManifest } from '../../src/registry/manifest.ts';
import { argmax } from '../../src/tensor/math.ts';
import { convertMini } from '../helpers/minis.ts';
import { scratchFolder } from '../helpers/scratch.ts';

const scratch = scratchFolder('methods');
const MINIS = ['erlangshen-mini', 'erlangshen-mini-poet', 'wenzhong-mini', 'zhouwenwang-mini', 'randeng-mini'] as const;
const folders = {} as Record<(typeof MINIS)[number], string>;
const opened: { dispose(): Promise<void> }[] = [];

beforeAll(async () => {
  for (const name of MINIS) folders[name] = await convertMini(scratch, name);
});
afterAll(() => Promise.all(opened.map((model) => model.dispose())));

async function open(name: (typeof MINIS)[number], method: MethodName | 'auto'): Promise<AnsweringModel> {
  const model = await openForMethod(folders[name], { method, task: moon });
  opened.push(model);
  return model;
}

const example = (text: string, more: Partial<Example> = {}): Example => ({ id: 0, label: undefined, text, ...more });

/** 床前明_光: which of two characters? A task that the minis have an opinion on. */
const moon: ClueTask = {
  ...CLUE_TASKS.poet,
  name: 'moon',
  labels: [
    { value: 'moon', zh: '月' },
    { value: 'day', zh: '日' },
  ],
  prompts: {
    cloze: { pattern: '床前明{mask}光，{text}', words: { moon: '月', day: '日' } },
    lm: { prompt: '床前明月光，', continuation: '{label}。', words: { moon: '疑是地上霜', day: '霜上地是疑' } },
    lmLabelFirst: { prompt: '床前明{label}光，', continuation: '{text}', words: { moon: '月', day: '日' } },
    infill: { source: '床前明{mask}光，{text}', words: { moon: '月', day: '日' } },
  },
};
const rows = ['疑是地上霜。', '疑是地上霜。举头望明月，低头思故乡。', '疑是地上霜。举头'].map((text) => example(text));

async function scores(model: AnsweringModel, asked = {}, batchTokens?: number): Promise<Float32Array[]> {
  const batches = await predict({ method: await model.method(moon, asked), labels: 2, examples: rows, batchTokens });
  return batches
    .flatMap((batch) => batch.rows)
    .sort((a, b) => a.index - b.index)
    .map((row) => row.scores);
}

describe('auto', () => {
  it('takes the head, else likelihood, gaps or masks', async () => {
    const chosen = await Promise.all(
      MINIS.map(async (name) => chooseMethod(await readManifest(folders[name]), CLUE_TASKS.poet)),
    );
    expect(chosen).toEqual(['cloze', 'head', 'lm', 'lm', 'infill']);
  });

  it('looks at the task as well: labels, prompts, a train split', async () => {
    const masked = await readManifest(folders['erlangshen-mini']);
    const { poet, ocnli, tnews } = CLUE_TASKS;
    const unimc = { ...masked, name: 'erlangshen-unimc-roberta-110m' };
    expect(chooseMethod(unimc, tnews)).toBe('unimc');
    const head = await readManifest(folders['erlangshen-mini-poet']);
    const inference = { ...head, labels: ['CONTRADICTION', 'NEUTRAL', 'ENTAILMENT'] };
    expect([ocnli, tnews, poet].map((task) => chooseMethod(inference, task))).toEqual(['head', 'nli', 'nli']);
    expect(chooseMethod(inference, ocnli, 'baseline')).toBe('head');
    expect(chooseMethod(head, tnews)).toBe('head'); // whose error says what does not fit
    const { prompts: _, ...bare } = poet;
    expect(chooseMethod(masked, bare)).toBe('probe');
    expect(() => chooseMethod(masked, { ...bare, splits: { dev: 'dev.json' } })).toThrow(
      /can answer by .*cloze, probe, few-shot; poet has prompts for none and no train split/,
    );
  });

  it('is refused what the model cannot do, or the task has no prompt for', async () => {
    await expect(open('wenzhong-mini', 'cloze')).rejects.toMatchObject({ code: 'method-unsupported', exitCode: 8 });
    await expect(open('erlangshen-mini', 'lm')).rejects.toThrow(/does not read left to right/);
    const model = await open('erlangshen-mini', 'cloze');
    await expect(model.method({ ...moon, prompts: {} }, {})).rejects.toMatchObject({ code: 'no-prompt' });
  });
});

describe.each([
  ['erlangshen-mini', 'cloze', {}],
  ['wenzhong-mini', 'lm', {}],
  ['wenzhong-mini', 'lm', { lmForm: 'label-first' }],
  ['zhouwenwang-mini', 'lm', {}],
  ['randeng-mini', 'infill', {}],
] as const)('%s by %s %j', (name, method, asked) => {
  it('prefers the poem’s own words, whatever the batches', async () => {
    const model = await open(name, method);
    const found = await scores(model, asked);
    expect(found.map(argmax)).toEqual([0, 0, 0]);
    for (const [i, row] of (await scores(model, asked, 64)).entries())
      for (const [k, score] of row.entries()) expect(score).toBeCloseTo(found[i]![k]!, 4);
  });
});

describe('cloze', () => {
  it('finds the masks after tokenization, and counts none of the row’s own', async () => {
    const model = await Encoder.open(folders['erlangshen-mini']);
    opened.push(model);
    const lengths = async (text: string, maxLength = 128) =>
      (await clozeMethod(model, moon, { ...moon.prompts!.cloze!, maxLength }).prepare([example(text)])).lengths[0];
    expect(await lengths('12345[MASK]')).toBe(await lengths('12345霜'));
    expect(await lengths('霜'.repeat(300), 32)).toBe(32);
  });

  it('slides until the last mask is inside when it stands at the end', async () => {
    const model = await Encoder.open(folders['erlangshen-mini']);
    opened.push(model);
    const prompt = { pattern: '{text}{mask}', words: { moon: '月', day: '日' }, maxLength: 16 };
    const prepared = await clozeMethod(model, moon, prompt).prepare([
      example('霜'.repeat(40)),
      example('霜'.repeat(13)),
    ]);
    expect(prepared.lengths).toEqual([16, 16]);
    const [long, exact] = await prepared.score([0, 1]);
    expect(Array.from(long!)).toEqual(Array.from(exact!)); // the last 13 characters are what is read
  });

  it('refuses label words of different lengths', async () => {
    const model = await Encoder.open(folders['erlangshen-mini']);
    opened.push(model);
    const method = clozeMethod(model, moon, { pattern: '{mask}{text}', words: { moon: '月亮', day: '日' } });
    await expect(method.prepare([example('a')])).rejects.toMatchObject({ code: 'label-words', exitCode: 2 });
  });
});

describe('candidates of different lengths', () => {
  it('are read with as many masks as they have tokens and compared by the mean', async () => {
    const model = await Encoder.open(folders['erlangshen-mini']);
    opened.push(model);
    const task: ClueTask = { ...moon, labels: [...moon.labels, { value: 'none', zh: '无' }] };
    const method = clozeMethod(model, task, { pattern: '床前{mask}光，疑是地上霜。', words: 'candidates' });
    const row = example('a', { candidates: ['明月', '月'] });
    const [batch] = await predict({ method, labels: 3, examples: [row] });
    const alone = async (words: readonly string[]) => {
      const same = await method.prepare([example('a', { candidates: words })]);
      return (await same.score([0]))[0]!;
    };
    const [two] = await alone(['明月', '日光']);
    const [one] = await alone(['月', '日']);
    const { scores } = batch!.rows[0]!;
    expect(scores[0]).toBeCloseTo(two! / 2, 4);
    expect(scores[1]).toBeCloseTo(one!, 4);
    expect(scores[2]).toBe(NOT_OFFERED); // the row has two candidates, the task three labels
    expect(argmax(scores)).toBe(0);
  });
});

describe('prompts', () => {
  it('are filled once: braces in the row’s text mean nothing', () => {
    expect(fillPrompt('{text}和{pair}', example('{pair}{mask}', { pair: 'b' }))).toBe('{pair}{mask}和b');
    expect(splitAtMask('{text}{mask}{pair}', example('{mask}', { pair: 'b' }))).toEqual(['{mask}', 'b']);
  });

  it('name a slot that the row lacks', () => {
    expect(() => fillPrompt('{text}{keywords}', example('a'))).toThrow(/slot \{keywords\}/);
    expect(() => splitAtMask('{text}', example('a'))).toThrow(/0 \{mask\} slots/);
  });

  it('of every task have one word per label, and one mask', () => {
    for (const task of Object.values(ALL_TASKS).filter(({ head }) => head !== 'span')) {
      const row = example('a', {
        pair: 'b',
        candidates: task.labels.map(({ value }) => `词${value}`),
        fields: {
          keywords: 'k',
          abst: 'a',
          abst300: 'a',
          passage: 'p',
          span1: 's',
          span2: 't',
          unimcPassage: 'p',
          before: '',
          after: '',
          plainBefore: '',
          plainAfter: '',
        },
      });
      const { cloze, infill, lm, lmLabelFirst, unimc, nli } = task.prompts ?? {};
      for (const prompt of [cloze, infill, lm, lmLabelFirst, unimc])
        if (prompt) expect(labelWords(task, prompt.words, row), task.name).toHaveLength(task.labels.length);
      if (cloze) expect(splitAtMask(cloze.pattern, row)).toHaveLength(2);
      if (infill) expect(splitAtMask(infill.source, row)).toHaveLength(2);
      if (lm) expect(fillPrompt(lm.prompt, row, { label: 'x' })).not.toContain('{');
      const texts = [unimc?.text, unimc?.pair, nli?.premise, nli?.hypothesis].filter((text) => text !== undefined);
      for (const text of texts) expect(fillPrompt(text, row, { label: 'x' })).not.toContain('{');
      if (nli?.words) expect(labelWords(task, nli.words, row), task.name).toHaveLength(task.labels.length);
      if (nli?.classes) expect(Object.keys(nli.classes).sort()).toEqual(task.labels.map(({ value }) => value).sort());
      expect([cloze, lm, infill, unimc].every(Boolean), task.name).toBe(true);
    }
  });
});
