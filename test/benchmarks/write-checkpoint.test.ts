import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { FAMILIES } from '../../benchmarks/checkpoints/families.ts';
import { PRESETS } from '../../benchmarks/checkpoints/presets.ts';
import { writeCheckpoint } from '../../benchmarks/checkpoints/write-checkpoint.ts';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { convertCheckpoint } from '../../src/convert/convert.ts';
import { requireProbes, runProbes } from '../../src/pipelines/check-model.ts';
import { readFloat32 } from '../../src/tensor/lazy-tensor.ts';
import { scratchFolder } from '../helpers/scratch.ts';

const scratch = scratchFolder('random-checkpoints');
const SMALL = { layers: 2, hidden: 32, heads: 2, vocabulary: 21248, positions: 16 };

describe('a checkpoint with random weights', () => {
  it.each(Object.entries(PRESETS))('converts and passes its probes: %s, small', async (name, preset) => {
    const checkpoint = path.join(scratch, name);
    const model = path.join(scratch, `${name}-model`);
    await writeCheckpoint(checkpoint, { ...preset, ...SMALL });
    const manifest = await convertCheckpoint(checkpoint, model);
    expect(manifest.architecture).toBe(preset.family);
    requireProbes(await runProbes(model, manifest), name);
  });

  it('lies in its storages as the converter of Megatron-LM leaves it', async () => {
    const folder = path.join(scratch, 'views');
    await writeCheckpoint(folder, { ...PRESETS['gpt2-110m'], ...SMALL });
    const { tensors, close } = await openCheckpoint(folder);
    const [fc, mask] = [tensors.get('h.0.mlp.c_fc.weight')!, tensors.get('h.1.attn.bias')!];
    expect([fc.shape, fc.strides]).toEqual([
      [32, 128],
      [1, 32],
    ]);
    expect([...(await readFloat32(mask))].slice(0, 34)).toEqual([
      1,
      ...Array(15).fill(0),
      1,
      1,
      ...Array(14).fill(0),
      1,
      1,
    ]);
    expect(tensors.get('lm_head.weight')!.storage.key).toBe(tensors.get('wte.weight')!.storage.key);
    await close();
  });

  it('is the same for the same seed, and normally distributed', async () => {
    const numbers = async (folder: string, seed: number): Promise<Float32Array> => {
      await writeCheckpoint(path.join(scratch, folder), { ...PRESETS['bert-110m'], ...SMALL }, { seed });
      const { tensors, close } = await openCheckpoint(path.join(scratch, folder));
      const values = await readFloat32(tensors.get('embeddings.word_embeddings.weight')!);
      await close();
      return values;
    };
    const [a, b, c] = [await numbers('a', 1), await numbers('b', 1), await numbers('c', 2)];
    expect(a).toEqual(b);
    expect(a.subarray(0, 64)).not.toEqual(c.subarray(0, 64));
    expect(Math.sqrt(a.reduce((sum, x) => sum + x * x, 0) / a.length)).toBeCloseTo(0.02, 3);
  });

  it.each([
    ['erlangshen-1.3b', 2.52],
    ['wenzhong-3.5b', 7.18],
    ['bert-110m', 0.409],
    ['gpt2-110m', 0.274],
  ] as const)('%s has the %d GB of the published file', (name, gigabytes) => {
    const preset = PRESETS[name];
    const { storages } = FAMILIES[preset.family].layout(preset, preset.head);
    const bytes = storages.reduce((sum, { count }) => sum + count, 0) * (preset.dtype === 'float16' ? 2 : 4);
    expect(bytes / 1e9 / gigabytes).toBeCloseTo(1, 2);
  });
});
