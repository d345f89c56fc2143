/** Decoders with a cache give what they give without one, for every way tokens can be appended. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Decoder } from '../../src/pipelines/decoder.ts';
import { Encoder } from '../../src/pipelines/encoder.ts';
import { EncoderDecoder } from '../../src/pipelines/encoder-decoder.ts';
import { argmax } from '../../src/tensor/math.ts';
import { convertMini } from '../helpers/minis.ts';
import { scratchFolder } from '../helpers/scratch.ts';

const scratch = scratchFolder('decoder');
const golden = (name: string) =>
  JSON.parse(readFileSync(new URL(`../fixtures/mini/${name}.json`, import.meta.url), 'utf8'));
let wenzhong: Decoder;
let zhouwenwang: Decoder;
let zhouwenwangEncoder: Encoder;
let randeng: EncoderDecoder;

beforeAll(async () => {
  wenzhong = await Decoder.open(await convertMini(scratch, 'wenzhong-mini'));
  const folder = await convertMini(scratch, 'zhouwenwang-mini');
  zhouwenwang = await Decoder.open(folder);
  zhouwenwangEncoder = await Encoder.open(folder);
  randeng = await EncoderDecoder.open(await convertMini(scratch, 'randeng-mini'));
});
afterAll(() => Promise.all([wenzhong, zhouwenwang, zhouwenwangEncoder, randeng].map((model) => model.dispose())));

const IDS = [11, 42, 7, 300, 12, 99, 8, 77];

describe.each(['wenzhong', 'zhouwenwang'] as const)('the cache of %s', (name) => {
  const model = (): Decoder => ({ wenzhong, zhouwenwang })[name];
  const logitsOf = (rows: Awaited<ReturnType<Decoder['run']>>, t: number): Float32Array => {
    const { shape, values } = rows[0]![0]!;
    return values.subarray(t * shape[1]!, (t + 1) * shape[1]!);
  };
  const output = name === 'wenzhong' ? 'logits' : 'lm_logits';

  it('is exact: token by token, in chunks, after a rewind', async () => {
    const whole = await model().run([{ ids: IDS }], [output]);
    const { cache, logits } = await model().prefill(IDS.slice(0, 3));
    expectClose(logits, logitsOf(whole, 2));
    expectClose((await cache.step([0], [[IDS[3]!]]))[0]![0]!, logitsOf(whole, 3));
    await cache.step([0], [[1, 2]]); // a wrong guess
    cache.rewind(4);
    const chunk = await cache.step([0], [IDS.slice(4)]);
    for (const [k, row] of chunk[0]!.entries()) expectClose(row, logitsOf(whole, 4 + k));
    expect(cache.length).toBe(IDS.length);
    await cache.dispose();
  });

  it('duplicates, reorders and drops rows', async () => {
    const { cache } = await model().prefill(IDS.slice(0, 3));
    const forked = await cache.step([0, 0, 0], [[5], [6], [7]]);
    expect(forked).toHaveLength(3);
    const next = await cache.step([2, 0], [[8], [9]]);
    for (const [row, ids] of [
      [...IDS.slice(0, 3), 7, 8],
      [...IDS.slice(0, 3), 5, 9],
    ].entries())
      expectClose(next[row]![0]!, logitsOf(await model().run([{ ids }], [output]), 4));
    await cache.dispose();
  });

  it('grows over its first room', async () => {
    const ids = Array.from({ length: Math.min(model().maxLength, 300) }, (_, i) => (i * 7) % 1000);
    const { cache } = await model().prefill(ids.slice(0, 2));
    const [rest] = await cache.step([0], [ids.slice(2)]);
    expectClose(rest!.at(-1)!, logitsOf(await model().run([{ ids }], [output]), ids.length - 1));
    if (ids.length === model().maxLength)
      await expect(cache.step([0], [[1]])).rejects.toMatchObject({ exitCode: 2, code: 'context-overflow' });
    await cache.dispose();
  });
});

describe('zhouwenwang', () => {
  it('reads the same left to right with a cache and as an encoder with token types 1', async () => {
    const whole = await zhouwenwangEncoder.run([{ ids: IDS, typeIds: IDS.map(() => 1) }], ['lm_logits']);
    const alone = await zhouwenwang.run([{ ids: IDS }], ['lm_logits']);
    expectClose(alone[0]![0]!.values, whole[0]![0]!.values);
  });
});

describe('greedy continuations', () => {
  interface GreedyRow {
    readonly prompt: string;
    readonly input_ids: number[];
    readonly decoder_start_token_id?: number;
    readonly new_ids: number[];
  }

  const greedy = async (
    model: { prefill: Decoder['prefill']; vocabularySize: number },
    prompt: readonly number[],
    count: number,
  ): Promise<number[]> => {
    const { cache, logits } = await model.prefill(prompt);
    const tokens = [argmax(logits.subarray(0, model.vocabularySize))];
    while (tokens.length < count)
      tokens.push(argmax((await cache.step([0], [[tokens.at(-1)!]]))[0]![0]!.subarray(0, model.vocabularySize)));
    await cache.dispose();
    return tokens;
  };

  it.each(golden('wenzhong-mini').greedy.rows as GreedyRow[])(
    'wenzhong-mini: $prompt',
    async ({ prompt, input_ids, new_ids }) => {
      expect(wenzhong.requireTokenizer().encodeIds(prompt).ids).toEqual(input_ids);
      expect(await greedy(wenzhong, input_ids, new_ids.length)).toEqual(new_ids);
    },
  );

  it.each(golden('zhouwenwang-mini').greedy.rows as GreedyRow[])(
    'zhouwenwang-mini: $prompt',
    async ({ input_ids, new_ids }) => {
      expect(await greedy(zhouwenwang, input_ids, new_ids.length)).toEqual(new_ids);
    },
  );

  it.each(golden('randeng-mini').greedy.rows as GreedyRow[])(
    'randeng-mini: $prompt',
    async ({ prompt, input_ids, decoder_start_token_id, new_ids }) => {
      expect(randeng.requireTokenizer().encodeIds(prompt).ids).toEqual(input_ids);
      expect(await greedy(await randeng.withSource(input_ids), [decoder_start_token_id!], new_ids.length)).toEqual(
        new_ids,
      );
    },
  );
});

describe('randeng', () => {
  it('answers a source with the cache as without it', async () => {
    const source = randeng.requireTokenizer().encodeIds('床前明<extra_id_0>光，疑是地上霜。').ids;
    const model = await randeng.withSource(source);
    const start = randeng.requireTokenizer().idOf('[BOS]')!;
    const { cache, logits } = await model.prefill([start]);
    const tokens = [argmax(logits.subarray(0, randeng.vocabularySize))];
    while (tokens.length < 4)
      tokens.push(argmax((await cache.step([0], [[tokens.at(-1)!]]))[0]![0]!.subarray(0, randeng.vocabularySize)));
    const { shape, values } = (
      await randeng.run([{ ids: source, decoderIds: [start, ...tokens] }], ['logits'])
    )[0]![0]!;
    const best = tokens.map((_, t) => argmax(values.subarray(t * shape[1]!, t * shape[1]! + randeng.vocabularySize)));
    expect(best).toEqual(tokens);
    expect(randeng.requireTokenizer().decode(tokens)).toContain('月');
    const forked = await cache.step([0, 0], [[7], [8]]);
    expect(forked).toHaveLength(2);
    await cache.dispose();
  });
});

function expectClose(actual: Float32Array, expected: Float32Array): void {
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  for (const [i, value] of actual.entries()) worst = Math.max(worst, Math.abs(value - expected[i]!));
  expect(worst).toBeLessThan(2e-4);
}
