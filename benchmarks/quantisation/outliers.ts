/**
 * A copy of a MegatronBERT checkpoint in which a few channels of each norm are large and the matrices behind them small in turn: the
 * same function, with the outlier channels that large pre-LN models have and small ones lack. Rounding that gives all channels of
 * an activation one scale suffers from them.
 */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { readFloat32 } from '../../src/tensor/lazy-tensor.ts';

/** One channel in so many is an outlier, so many times as large. */
const EVERY = 40;
const FACTOR = 32;

/** Norm → the matrices that read its output; `i` is the layer. */
const READERS = (i: number): Readonly<Record<string, readonly string[]>> => ({
  [`encoder.layer.${i}.attention.ln`]: ['query', 'key', 'value'].map(
    (part) => `encoder.layer.${i}.attention.self.${part}.weight`,
  ),
  [`encoder.layer.${i}.ln`]: [`encoder.layer.${i}.intermediate.dense.weight`],
});

/** Writes the copy as safetensors into `target`. */
export async function writeWithOutliers(source: string, target: string): Promise<void> {
  const checkpoint = await openCheckpoint(source);
  try {
    const numbers = new Map<string, { shape: readonly number[]; values: Float32Array }>();
    for (const [name, tensor] of checkpoint.tensors)
      numbers.set(name, { shape: tensor.shape, values: await readFloat32(tensor) });
    for (let i = 0; numbers.has(`encoder.layer.${i}.ln.weight`); i++)
      for (const [norm, matrices] of Object.entries(READERS(i))) {
        for (const part of ['weight', 'bias']) scaleChannels(numbers.get(`${norm}.${part}`)!.values, 1, FACTOR);
        for (const matrix of matrices) {
          const { shape, values } = numbers.get(matrix)!;
          scaleChannels(values, shape[0]!, 1 / FACTOR);
        }
      }
    mkdirSync(target);
    writeSafetensors(path.join(target, 'model.safetensors'), numbers);
    for (const file of ['config.json', 'vocab.txt']) copyFileSync(path.join(source, file), path.join(target, file));
  } finally {
    await checkpoint.close();
  }
}

function scaleChannels(values: Float32Array, rows: number, factor: number): void {
  const columns = values.length / rows;
  for (let r = 0; r < rows; r++) for (let c = 7; c < columns; c += EVERY) values[r * columns + c]! *= factor;
}

/** Format: 8 bytes length of the header (little-endian), the header as JSON, the numbers. */
function writeSafetensors(
  file: string,
  tensors: ReadonlyMap<string, { shape: readonly number[]; values: Float32Array }>,
): void {
  let at = 0;
  const header: Record<string, object> = {};
  for (const [name, { shape, values }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + values.byteLength] };
    at += values.byteLength;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const data = [...tensors.values()].map(({ values }) =>
    Buffer.from(values.buffer, values.byteOffset, values.byteLength),
  );
  writeFileSync(file, Buffer.concat([length, text, ...data]));
}
