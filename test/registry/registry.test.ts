import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  allDatasets,
  allModels,
  bundledPath,
  caveatsOf,
  evalDefault,
  findDataset,
  findModel,
  getDataset,
  getModel,
  loadRegistry,
  publishedScores,
  type Registry,
} from '../../src/registry/registry.ts';
import { EXIT_CODES, NotFoundError } from '../../src/util/errors.ts';
import { sha256OfFile } from '../../src/util/files.ts';

let registry: Registry;
let scratch: string;
beforeAll(async () => {
  registry = await loadRegistry({ overlayFile: null });
  scratch = await mkdtemp(path.join(os.tmpdir(), 'fsb-registry-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

async function overlay(name: string, content: unknown): Promise<string> {
  const file = path.join(scratch, name);
  await writeFile(file, JSON.stringify(content));
  return file;
}

describe('the built-in registry.json', () => {
  it('has the six models of the first release', () => {
    const seed = ['二郎神-1.3B', '周文王-1.3B', '周文王-110M', '闻仲-3.5B', '燃灯-770M', '余元-3.5B'];
    expect(seed.map((name) => findModel(registry, name)?.name)).toEqual([
      'erlangshen-1.3b',
      'zhouwenwang-1.3b',
      'zhouwenwang-110m',
      'wenzhong-3.5b',
      'randeng-770m',
      'yuyuan-3.5b',
    ]);
  });

  it('has every bundled file with the size and hash it says', async () => {
    const models = allModels(registry).flatMap(({ sources }) => sources.filter((source) => source.kind === 'bundled'));
    expect(models).toHaveLength(5);
    for (const source of models) {
      const file = bundledPath(registry, source);
      expect({ file, size: (await stat(file)).size, sha256: await sha256OfFile(file) }).toEqual({
        file,
        size: source.sizeBytes,
        sha256: source.sha256,
      });
    }
    const poet = getDataset(registry, 'poet');
    const folder = poet.sources.find((source) => source.kind === 'bundled');
    for (const file of poet.files) {
      const bytes = await readFile(path.join(bundledPath(registry, folder ?? { path: '' }), file.path));
      expect(bytes.length).toBe(file.sizeBytes);
      expect(bytes.toString('utf8').trimEnd().split('\n')).toHaveLength(file.rows ?? 0);
      expect(await sha256OfFile(path.join(registry.folder, 'models/poet', file.path))).toBe(file.sha256);
    }
  });

  it('has no secrets in its URLs', async () => {
    expect(await readFile(path.join(registry.folder, 'registry.json'), 'utf8')).not.toMatch(/Signature|AccessKeyId/);
  });

  it('gives every model a source and every caveat a use', () => {
    expect(allModels(registry).filter(({ sources }) => sources.length === 0)).toEqual([]);
    const used = new Set(allModels(registry).flatMap(({ caveats }) => caveats));
    expect([...used].sort()).toEqual(Object.keys(registry.caveats).sort());
  });

  it('knows a dev set and an archive for each of the seven CLUE tasks', () => {
    for (const task of ['afqmc', 'tnews', 'iflytek', 'ocnli', 'cmnli', 'wsc', 'csl']) {
      const dataset = getDataset(registry, task);
      expect(dataset.files.find(({ path }) => path === 'dev.json')?.md5, task).toMatch(/^[0-9a-f]{32}$/);
      expect(dataset.sources.some((source) => source.kind === 'archive' && source.role === 'official')).toBe(true);
      expect(evalDefault(registry, task)).toBeDefined();
    }
  });

  it('evaluates a task by a model whose head answers it, or says why it has none', () => {
    for (const [task, { model, reason }] of Object.entries(registry.defaults.evalModel)) {
      if (model !== null) expect(Object.keys(getModel(registry, model).clueTasks)).toContain(task);
      else expect(reason.en).toContain('--model');
    }
    expect(evalDefault(registry, 'constructor')).toBeUndefined();
  });

  it('keeps the label order of the NLI derivatives', () => {
    expect(getModel(registry, 'IDEA-CCNL/Erlangshen-Roberta-330M-NLI')).toMatchObject({
      labels: ['CONTRADICTION', 'NEUTRAL', 'ENTAILMENT'],
      clueTasks: { ocnli: ['contradiction', 'neutral', 'entailment'] },
    });
  });

  it('lists published scores of models and references together', () => {
    const scores = publishedScores(registry, { task: 'afqmc', split: 'dev', method: 'fine-tuned' });
    expect(scores.find(({ name }) => name === 'erlangshen-1.3b')?.value).toBe(0.7608);
    expect(scores.find(({ name }) => name === 'roberta-wwm-ext-large')?.value).toBe(0.7514);
    const zeroShot = publishedScores(registry, { task: 'tnews', benchmark: 'fewclue', method: 'zero-shot' });
    expect(zeroShot.find(({ name }) => name === 'erlangshen-unimc-1.3b')?.value).toBe(0.5521);
  });

  it('has only fractions as accuracies', () => {
    const accuracies = publishedScores(registry, { metric: 'accuracy' });
    expect(accuracies.length).toBeGreaterThan(150);
    expect(accuracies.filter(({ value }) => value < 0 || value > 1)).toEqual([]);
  });

  it('warns in both languages', () => {
    const [caveat] = caveatsOf(registry, getModel(registry, 'yuyuan-3.5b'));
    expect(caveat).toMatchObject({ key: 'english-only' });
    expect(caveat?.zh).toMatch(/英文/);
  });
});

describe('findModel', () => {
  it.each([
    ['erlangshen-1.3b', 'erlangshen-1.3b'],
    ['Erlangshen_1.3B', 'erlangshen-1.3b'],
    ['二郎神1.3B', 'erlangshen-1.3b'],
    ['二郎神－１．３Ｂ', 'erlangshen-1.3b'],
    ['IDEA-CCNL/Erlangshen-MegatronBert-1.3B', 'erlangshen-1.3b'],
    ['idea-ccnl/erlangshen-1.3b', 'erlangshen-1.3b'],
    ['Erlangshen-MegatronBert-1.3B', 'erlangshen-1.3b'],
    ['IDEA-CCNL/Zhouwenwang-110M', 'zhouwenwang-110m'],
    ['Fengshenbang/Erlangshen-RoBERTa-110M-NLI', 'erlangshen-roberta-110m-nli'],
    ['燃灯-770M', 'randeng-770m'],
    ['Yuyuan-SciFi-GPT2-110M-Chinese', 'yuyuan-scifi-110m'],
  ])('finds %s as %s', (name, key) => {
    expect(findModel(registry, name)?.name).toBe(key);
  });

  it.each(['', 'constructor', '__proto__', 'erlangshen', 'IDEA-CCNL', '1.3b'])('does not find "%s"', (name) => {
    expect(findModel(registry, name)).toBeUndefined();
  });

  it('finds every entry by every name it has', () => {
    for (const model of allModels(registry))
      for (const name of [model.name, model.title.zh, model.title.en])
        expect(findModel(registry, name)?.name).toBe(model.name);
    for (const dataset of allDatasets(registry)) expect(findDataset(registry, dataset.name)?.name).toBe(dataset.name);
  });
});

describe('getModel', () => {
  it.each([
    ['erlangshn-1.3b', 'erlangshen-1.3b'],
    ['二朗神-1.3B', 'erlangshen-1.3b'],
    ['IDEA-CCNL/Zhouwenwang-Unifed-1.3B', 'zhouwenwang-1.3b'],
    ['randeng-770', 'randeng-770m'],
  ])('for %s suggests %s', (typed, suggestion) => {
    const error = catchError(() => getModel(registry, typed));
    expect(error).toMatchObject({ code: 'unknown-model', exitCode: EXIT_CODES.notFound });
    expect(error.hint).toContain(`did you mean ${suggestion}`);
  });

  it('points at the list when nothing is near', () => {
    expect(catchError(() => getModel(registry, 'llama-3-70b-instruct')).hint).toBe('fsb list shows every model');
  });
});

describe('getDataset', () => {
  it('finds by alias and suggests', () => {
    expect(getDataset(registry, 'CLUEWSC2020').name).toBe('wsc');
    const error = catchError(() => getDataset(registry, 'afqcm'));
    expect(error).toMatchObject({ code: 'unknown-dataset', exitCode: 3, hint: 'did you mean afqmc?' });
  });
});

describe('loadRegistry with an overlay', () => {
  it('replaces the fields an entry names and leaves the others', async () => {
    const file = await overlay('fields.json', {
      models: { 'erlangshen-1.3b': { aliases: ['our-bert'], sizeBytes: 7 } },
    });
    const merged = await loadRegistry({ overlayFile: file });
    const before = getModel(registry, 'erlangshen-1.3b');
    expect(getModel(merged, 'our-bert')).toEqual({ ...before, aliases: ['our-bert'], sizeBytes: 7 });
    expect(allModels(merged)).toHaveLength(allModels(registry).length);
  });

  it('adds an entry, with bundled paths relative to the overlay', async () => {
    const { name: _, ...mini } = getModel(registry, 'erlangshen-mini');
    const source = { kind: 'bundled', path: 'mine.zip', sha256: '0'.repeat(64), sizeBytes: 1 } as const;
    const title = { zh: '我的', en: 'Mine' };
    const file = await overlay('added.json', { version: 1, models: { mine: { ...mini, title, sources: [source] } } });
    const merged = await loadRegistry({ overlayFile: file });
    const [bundled] = getModel(merged, 'mine').sources;
    expect(bundled?.kind === 'bundled' && bundledPath(merged, bundled)).toBe(path.join(scratch, 'mine.zip'));
  });

  it('can set the default model of a task', async () => {
    const file = await overlay('default.json', { defaults: { evalModel: { tnews: { model: 'erlangshen-mini' } } } });
    const merged = await loadRegistry({ overlayFile: file });
    expect(evalDefault(merged, 'tnews')?.model).toBe('erlangshen-mini');
    expect(evalDefault(merged, 'poet')?.model).toBe('erlangshen-mini-poet');
  });

  it.each([
    ['an unfinished new entry', { models: { mine: { series: 'erlangshen' } } }, /models\.mine\.title/],
    ['an unknown field', { models: { 'erlangshen-1.3b': { sizebytes: 1 } } }, /sizebytes/],
    ['an unknown section', { model: {} }, /model/],
    ['a name that is taken', { models: { 'wenzhong-3.5b': { aliases: ['二郎神_1.3B'] } } }, /names both/],
    [
      'a presigned URL',
      {
        models: {
          'wenzhong-3.5b': {
            sources: [{ kind: 'archive', url: 'https://x.cn/a.zip?Signature=s', expired: null, format: 'zip' }],
          },
        },
      },
      /without query/,
    ],
    ['an unknown caveat', { models: { 'wenzhong-3.5b': { caveats: ['nope'] } } }, /not in the table caveats/],
    ['an unknown default', { defaults: { evalModel: { tnews: { model: 'nope' } } } }, /not in the table models/],
    [
      'labels that do not fit',
      { models: { 'erlangshen-mini': { clueTasks: { afqmc: ['0', '1'] } } } },
      /expected 0 labels/,
    ],
    ['another version', { version: 2 }, /version/],
  ])('refuses %s, naming the file and the place', async (_, content, message) => {
    const file = await overlay('bad.json', content);
    const loading = loadRegistry({ overlayFile: file });
    await expect(loading).rejects.toThrow(message);
    await expect(loading).rejects.toThrow(file);
    await expect(loading).rejects.toMatchObject({ exitCode: EXIT_CODES.integrity });
  });

  it('says when the file is missing', async () => {
    await expect(loadRegistry({ overlayFile: path.join(scratch, 'none.json') })).rejects.toBeInstanceOf(NotFoundError);
  });
});

function catchError(work: () => unknown): NotFoundError {
  try {
    work();
  } catch (error) {
    if (error instanceof NotFoundError) return error;
    throw error;
  }
  throw new Error('expected a NotFoundError');
}
