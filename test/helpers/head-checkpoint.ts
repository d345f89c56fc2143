/** A checkpoint of a fixture's encoder with a head that the fixture lacks, as transformers saves it. */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { readFloat32 } from '../../src/tensor/lazy-tensor.ts';

const FIXTURE = path.resolve('test/fixtures/models/megatron-bert-hub-fp16');

/** Head class → its linear layer, and how many outputs that has. */
const HEADS = {
  MegatronBertForMultipleChoice: ['classifier', 1],
  MegatronBertForQuestionAnswering: ['qa_outputs', 2],
} as const;

/** Writes config.json, vocab.txt and model.safetensors into `folder`. The head's weights are a fixed sine. */
export async function writeHeadCheckpoint(folder: string, head: keyof typeof HEADS): Promise<void> {
  await mkdir(folder, { recursive: true });
  await cp(path.join(FIXTURE, 'vocab.txt'), path.join(folder, 'vocab.txt'));
  const config = JSON.parse(await readFile(path.join(FIXTURE, 'config.json'), 'utf8')) as { hidden_size: number };
  await writeFile(path.join(folder, 'config.json'), JSON.stringify({ ...config, architectures: [head] }));
  const tensors = new Map<string, { shape: readonly number[]; values: Float32Array }>();
  const checkpoint = await openCheckpoint(FIXTURE);
  for (const [name, tensor] of checkpoint.tensors)
    if (!name.startsWith('cls.'))
      tensors.set(`bert.${name}`, { shape: tensor.shape, values: await readFloat32(tensor) });
  await checkpoint.close();
  const [layer, outputs] = HEADS[head];
  const sine = (size: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.7));
  const { hidden_size: size } = config;
  tensors.set(`${layer}.weight`, { shape: [outputs, size], values: sine(outputs * size) });
  tensors.set(`${layer}.bias`, { shape: [outputs], values: sine(outputs) });
  await writeFile(path.join(folder, 'model.safetensors'), safetensors(tensors));
}

function safetensors(tensors: ReadonlyMap<string, { shape: readonly number[]; values: Float32Array }>): Buffer {
  let end = 0;
  const header = Object.fromEntries(
    [...tensors].map(([name, { shape, values }]) => {
      const start = end;
      end += values.byteLength;
      return [name, { dtype: 'F32', shape, data_offsets: [start, end] }];
    }),
  );
  const json = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(json.length));
  const bytes = [...tensors.values()].map(({ values }) =>
    Buffer.from(values.buffer, values.byteOffset, values.byteLength),
  );
  return Buffer.concat([size, json, ...bytes]);
}
