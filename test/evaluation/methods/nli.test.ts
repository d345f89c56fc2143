/** An entailment head as zero-shot classifier: a stand-in that finds entailed what repeats the premise's first character. */
import { describe, expect, it } from 'vitest';
import type { NliPrompt } from '../../../src/evaluation/clue-task.ts';
import type { Example } from '../../../src/evaluation/dataset.ts';
import { classColumn, isNliHead, nliMethod } from '../../../src/evaluation/methods/nli.ts';
import { CLUE_TASKS } from '../../../src/evaluation/tasks/index.ts';
import type { Encoder, Row } from '../../../src/pipelines/encoder.ts';

const NAMES = ['CONTRADICTION', 'NEUTRAL', 'ENTAILMENT'];

/** Tokens are code points, 0 between text and pair. Logits: what the hypothesis says of the premise's first character. */
function fakeModel(labels: readonly string[] = NAMES, sizes: number[] = []): Encoder {
  const tokenizer = {
    encodeIds: (text: string, { pair = '' }: { pair?: string }) => {
      const codes = (part: string) => [...part].map((c) => c.codePointAt(0)!);
      const ids = [...codes(text), 0, ...codes(pair)];
      return { ids, typeIds: ids.map((_, i) => (i > [...text].length ? 1 : 0)) };
    },
  };
  return {
    manifest: { name: 'fake', labels, config: {} },
    maxLength: 512,
    has: (name: string) => name === 'class_logits',
    requireTokenizer: () => tokenizer,
    run: async (rows: readonly Row[]) => {
      sizes.push(rows.length);
      return rows.map(({ ids }) => {
        const entailed = ids.slice(ids.indexOf(0)).includes(ids[0]!);
        return [
          { shape: [labels.length], values: Float32Array.from(labels, (_, i) => (i === 2 ? (entailed ? 3 : -2) : i)) },
        ];
      });
    },
  } as unknown as Encoder;
}

const example = (text: string, more: Partial<Example> = {}): Example => ({ id: 0, label: undefined, text, ...more });
const tnews = CLUE_TASKS.tnews;

async function scores(prompt: NliPrompt, task = CLUE_TASKS.afqmc, rows = [example('猫', { pair: '有猫' })]) {
  const prepared = await nliMethod(fakeModel(), task, prompt).prepare(rows);
  return (await prepared.score(rows.map((_, i) => i))).map((row) => [...row]);
}

describe('nli', () => {
  it('asks one hypothesis per label, and takes the logit of entailment', async () => {
    const words = Object.fromEntries(tnews.labels.map(({ value }) => [value, value === '104' ? '股' : '别']));
    const found = await scores({ hypothesis: '关于{label}', words }, tnews, [example('股市'), example('别处')]);
    expect(found[0]).toEqual(tnews.labels.map(({ value }) => (value === '104' ? 3 : -2)));
    expect(found[1]).toEqual(tnews.labels.map(({ value }) => (value === '104' ? -2 : 3)));
  });

  it('runs no more readings at a time than the batch has examples', async () => {
    const sizes: number[] = [];
    const words = Object.fromEntries(tnews.labels.map(({ value }) => [value, value]));
    const rows = [example('a'), example('b'), example('c'), example('d')];
    const prepared = await nliMethod(fakeModel(NAMES, sizes), tnews, { hypothesis: '{label}', words }).prepare(rows);
    expect(await prepared.score([0, 1, 2, 3])).toHaveLength(4);
    expect(sizes).toEqual(Array.from({ length: 15 }, () => 4));
  });

  it('reads classes off a single hypothesis where the task is inference itself', async () => {
    const notEntailed = Math.log(Math.exp(0) + Math.exp(1));
    const [same] = await scores({ hypothesis: '{pair}', classes: { '0': 'not-entailment', '1': 'entailment' } });
    expect(same![0]).toBeCloseTo(notEntailed, 6);
    expect(same![1]).toBe(3);
    const [inferred] = await scores(CLUE_TASKS.ocnli.prompts!.nli!, CLUE_TASKS.ocnli);
    expect(inferred).toEqual([0, 3, 1]); // contradiction, entailment, neutral: the task's order
  });

  it('knows the classes by their names, and says which it misses', () => {
    expect(classColumn(['蕴含', '中立', '矛盾'], 'contradiction')).toBe(2);
    expect([isNliHead(['not_entailment', 'entailment']), isNliHead(['LABEL_0', 'LABEL_1']), isNliHead(null)]).toEqual([
      true,
      false,
      false,
    ]);
    const prompt: NliPrompt = { hypothesis: '{pair}', classes: { '0': 'not-entailment', '1': 'entailment' } };
    expect(() => nliMethod(fakeModel(['0', '1']), CLUE_TASKS.afqmc, prompt)).toThrow(
      expect.objectContaining({ code: 'no-entailment', exitCode: 8 }),
    );
    const two = fakeModel(['entailment', 'not_entailment']);
    expect(() => nliMethod(two, CLUE_TASKS.ocnli, CLUE_TASKS.ocnli.prompts!.nli!)).toThrow(/asks for contradiction/);
  });
});
