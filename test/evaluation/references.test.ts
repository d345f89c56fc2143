import { describe, expect, it } from 'vitest';
import { taskReferences } from '../../src/evaluation/references.ts';
import { CLUE_TASKS, FEWCLUE_TASKS } from '../../src/evaluation/tasks/index.ts';
import { loadRegistry } from '../../src/registry/registry.ts';

const registry = await loadRegistry({ overlayFile: null });

describe('taskReferences', () => {
  it('lists the published accuracies of fine-tuned models, best first, as fractions', () => {
    for (const task of Object.values(CLUE_TASKS).filter(({ name }) => name !== 'poet')) {
      const scores = taskReferences(registry, task, 'dev').map((reference) => reference.accuracy);
      expect(scores.length, task.name).toBeGreaterThan(3);
      expect(scores).toEqual([...scores].sort((a, b) => b - a));
      expect(Math.max(...scores), task.name).toBeLessThan(1);
      expect(Math.min(...scores), task.name).toBeGreaterThan(0.5);
    }
  });

  it('has the Erlangshen-1.3B figures of the Fengshenbang README', () => {
    const of = (name: keyof typeof CLUE_TASKS) =>
      taskReferences(registry, CLUE_TASKS[name], 'dev').find(({ model }) => model === 'erlangshen-1.3b')?.accuracy;
    expect([of('afqmc'), of('tnews'), of('iflytek'), of('ocnli'), of('cmnli'), of('wsc'), of('csl')]).toEqual([
      0.7608, 0.5996, 0.6234, 0.7917, 0.81, 0.9243, 0.872,
    ]);
  });

  it('holds zero-shot answers against zero-shot scores, and says which were measured otherwise', () => {
    const scores = taskReferences(registry, CLUE_TASKS.tnews, 'dev', undefined, 'lm');
    expect(scores.find(({ model }) => model === 'cpm-2.6b')).toMatchObject({
      accuracy: 0.6544,
      note: expect.stringContaining('4 candidate labels'),
    });
    expect(scores.map(({ model }) => model)).not.toContain('erlangshen-1.3b');
    const few = taskReferences(registry, FEWCLUE_TASKS['fewclue-tnews'], 'test_public', undefined, 'cloze');
    expect(few.find(({ model }) => model === 'erlangshen-unimc-1.3b')?.accuracy).toBe(0.5521);
  });

  it('holds a probe against fine-tuned models, and few-shot against few-shot', () => {
    const models = (task: keyof typeof FEWCLUE_TASKS, method: string) =>
      taskReferences(registry, FEWCLUE_TASKS[task], 'test_public', undefined, method).map(({ model }) => model);
    expect(models('fewclue-iflytek', 'few-shot').slice(0, 3)).toEqual([
      'human',
      'roberta-wwm-ext, P-tuning',
      'roberta-wwm-ext, PET',
    ]);
    expect(models('fewclue-iflytek', 'cloze')).not.toContain('roberta-wwm-ext, PET');
    const probe = taskReferences(registry, CLUE_TASKS.tnews, 'dev', undefined, 'probe');
    expect(probe).toEqual(taskReferences(registry, CLUE_TASKS.tnews, 'dev', undefined, 'head'));
  });

  it('leaves out scores of another split', () => {
    for (const { split } of taskReferences(registry, CLUE_TASKS.afqmc, 'dev')) expect(split ?? 'dev').toBe('dev');
  });

  it("keeps a model card's figure without a metric for the model itself alone", () => {
    const card = 'erlangshen-roberta-110m-similarity';
    const models = (evaluated?: string) =>
      taskReferences(registry, CLUE_TASKS.afqmc, 'dev', evaluated).map(({ model }) => model);
    expect(models(card)).toContain(card);
    expect(models()).not.toContain(card);
    expect(models(card)).not.toContain('erlangshen-roberta-330m-similarity');
  });
});
