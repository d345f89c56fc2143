/** The same weights are the same model, whatever holds them. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { hashTensor } from '../../src/checkpoint/fingerprint.ts';
import { type CanonicalTensors, diffTensors, openCanonicalTensors } from '../../src/convert/canonical-tensors.ts';
import { convertCheckpoint } from '../../src/convert/convert.ts';
import { scratchFolder } from '../helpers/scratch.ts';
import { sharedSet } from '../helpers/shared.ts';

const scratch = scratchFolder('canonical');
const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/models/${name}`, import.meta.url));

async function hashes({ tensors }: CanonicalTensors): Promise<Record<string, string>> {
  const entries = await Promise.all(
    [...tensors].map(async ([name, tensor]) => [name, await hashTensor(tensor)] as const),
  );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function expectSame(checkpoint: string, dtype: 'fp32' | 'fp16' = 'fp32'): Promise<void> {
  const target = path.join(scratch, `${path.basename(checkpoint)}-${dtype}`);
  await convertCheckpoint(checkpoint, target, { dtype });
  const [a, b] = [await openCanonicalTensors(checkpoint), await openCanonicalTensors(target)];
  expect(await hashes(b)).toEqual(await hashes(a));
  expect(await diffTensors(a, b)).toEqual([]);
  await Promise.all([a.close(), b.close()]);
}

describe('a converted model', () => {
  it('holds the tensors of its checkpoint', () => expectSame(fixture('megatron-bert-hub-fp16')));
  it('holds them in float16 too, when the checkpoint does', () =>
    expectSame(fixture('megatron-bert-hub-fp16'), 'fp16'));

  const models = sharedSet('golden/models');
  // transposed Conv1D, padded heads, two stacks, rotation tables, raw Megatron-LM
  const cases = [
    'gpt2-converter-fp16',
    'gpt2-bf16',
    'megatron-t5-inner-fp32',
    't5-relu-tied-fp32',
    'zhouwenwang-bare-fp16',
    'megatron-raw-bert-v2',
  ];
  it.each(models === undefined ? [] : cases)('holds the tensors of %s', (name) => expectSame(path.join(models!, name)));
});

describe('diffTensors', () => {
  it('names what differs', async () => {
    const [a, b] = [
      await openCanonicalTensors(fixture('megatron-bert-hub-fp16')),
      await openCanonicalTensors(fixture('megatron-bert-nli-fp32')),
    ];
    const differences = await diffTensors(a, b);
    expect(differences).toContainEqual({ name: 'classifier.weight', difference: 'only in B' });
    expect(differences).toContainEqual({ name: 'cls.predictions.bias', difference: 'only in A' });
    expect(differences).toContainEqual({ name: 'embeddings.word_embeddings.weight', difference: 'shape' });
    expect(differences.find(({ name }) => name === 'pooler.dense.weight')?.maxDifference).toBeGreaterThan(0);
    await Promise.all([a.close(), b.close()]);
  });

  it('leaves buffers and repeated tensors aside', async () => {
    const opened = await openCanonicalTensors(fixture('megatron-bert-hub-fp16'));
    expect(opened.leftOut.map(({ tensor, reason }) => [tensor.name, reason])).toEqual([
      ['cls.predictions.decoder.weight', 'alias'],
    ]);
    await opened.close();
  });
});
