/** Models of few bits still do what they are for: compared with the same models in float32. */
import { afterAll, describe, expect, it } from 'vitest';
import { Encoder } from '../../src/pipelines/encoder.ts';
import { fillMask } from '../../src/pipelines/fill-mask.ts';
import { Generator } from '../../src/pipelines/generator.ts';
import { readManifest } from '../../src/registry/manifest.ts';
import { convertMini } from '../helpers/minis.ts';
import { scratchFolder } from '../helpers/scratch.ts';

const scratch = scratchFolder('quantised');
const opened: { dispose(): Promise<void> }[] = [];
afterAll(() => Promise.all(opened.map((model) => model.dispose())));

describe.each(['int8', 'int4'] as const)('%s', (dtype) => {
  it('fills masks as float32 does where float32 is sure', async () => {
    const model = await Encoder.open(await convertMini(scratch, 'erlangshen-mini', dtype));
    opened.push(model);
    for (const [text, token] of [
      ['床前明[MASK]光，疑是地上霜。', '月'],
      ['千山[MASK]飞绝，万径人踪灭。', '鸟'],
      ['白日依山[MASK]，黄河入海流。', '尽'],
    ] as const) {
      const { masks } = await fillMask(model, text, { topK: 1 });
      expect(masks[0]!.candidates[0]!.token).toBe(token);
    }
  });

  it.each([
    ['wenzhong-mini', '床前明月光，', '疑是地上霜。举头望明月，低头思故乡。'],
    ['zhouwenwang-mini', '床前明月光，', '疑是地上霜。举头望明月，低头思故乡。'],
    ['randeng-mini', '千山鸟飞绝，<extra_id_0>', '万径人踪灭。孤舟蓑笠翁，独钓寒江雪。'],
  ])('%s continues a poem it knows by heart', async (name, prompt, continuation) => {
    const model = await Generator.open(await convertMini(scratch, name, dtype));
    opened.push(model);
    const { sequences } = await model.generate({ text: prompt });
    expect(sequences[0]!.text).toBe(continuation);
  });

  it('stores the embedding once, and the manifest says how', async () => {
    const folder = await convertMini(scratch, 'wenzhong-mini', dtype);
    const { quantisation, graphs, parameters } = await readManifest(folder);
    expect(quantisation).toMatchObject({
      scheme: 'blocks',
      bits: dtype === 'int8' ? 8 : 4,
      blockSize: dtype === 'int8' ? 128 : 64,
      embeddingBits: 8,
    });
    const bytesPerParameter = graphs[0]!.dataSizeBytes! / parameters;
    expect(bytesPerParameter).toBeLessThan(dtype === 'int8' ? 1.5 : 1.1); // vectors of the norms stay float32, pages are padded
  });
});
