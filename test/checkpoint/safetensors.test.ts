import { describe, expect, it } from 'vitest';
import { FileSource } from '../../src/checkpoint/file-source.ts';
import { readSafetensors, type SafetensorsFile } from '../../src/checkpoint/safetensors.ts';
import { readFloat32 } from '../../src/tensor/lazy-tensor.ts';
import { numbers, temporaryFile, thrownBy } from './building.ts';

const pair = (begin: number, end: number, shape = [2]): unknown => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});

async function read<T>(
  header: unknown,
  body: Uint8Array,
  use: (file: SafetensorsFile) => Promise<T> | T,
  length?: number,
): Promise<T> {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const source = await FileSource.open(
    await temporaryFile(Buffer.concat([numbers([length ?? text.length, 8]), text, body]), 'model.safetensors'),
  );
  try {
    return await use(await readSafetensors(source));
  } finally {
    await source.close();
  }
}

const floats = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);

describe('readSafetensors', () => {
  it('reads tensors in any order of the header, an empty one, and the metadata', async () => {
    const header = { __metadata__: { format: 'pt' }, b: pair(8, 16), e: pair(8, 8, [0, 3]), a: pair(0, 8, [2, 1]) };
    await read(header, floats, async ({ tensors, metadata }) => {
      expect(metadata).toEqual({ format: 'pt' });
      expect(tensors.get('a')!.shape).toEqual([2, 1]);
      expect(await readFloat32(tensors.get('b')!)).toEqual(Float32Array.of(3, 4));
      expect(await readFloat32(tensors.get('e')!)).toEqual(new Float32Array(0));
    });
  });

  const bad: [what: string, header: unknown, code: string, message: RegExp][] = [
    ['an overlap', { a: pair(0, 8), b: pair(4, 12) }, 'bad-tensor', /"b": its bytes \[4, 12\) overlaps tensor "a"/],
    ['the same bytes twice', { a: pair(0, 8), b: pair(0, 8) }, 'bad-tensor', /overlaps/],
    ['a hole', { a: pair(0, 8), b: pair(12, 20) }, 'bad-tensor', /leaves a hole after tensor "a"/],
    ['a hole at the start', { a: pair(8, 16) }, 'bad-tensor', /leaves a hole after the header/],
    ['bytes that belong to nothing', { a: pair(0, 8) }, 'corrupt-archive', /8 bytes at the end belong to no tensor/],
    [
      'a file that is cut off',
      { a: pair(0, 8), b: pair(8, 24, [4]) },
      'corrupt-archive',
      /cut off: tensor "b" should end/,
    ],
    ['an unknown type', { a: { ...(pair(0, 16) as object), dtype: 'F8_E4M3' } }, 'bad-tensor', /"F8_E4M3"/],
    [
      'a type that is a property of objects',
      { a: { ...(pair(0, 16) as object), dtype: 'toString' } },
      'bad-tensor',
      /"toString"/,
    ],
    ['a size that does not fit', { a: pair(0, 16) }, 'bad-tensor', /shape \[2\] needs 8 bytes, but .* hold 16/],
    ['a negative size', { a: pair(0, 16, [-4]) }, 'bad-tensor', /malformed shape/],
    ['a fractional size', { a: pair(0, 16, [2.5]) }, 'bad-tensor', /malformed shape/],
    ['offsets backwards', { a: pair(16, 0) }, 'bad-tensor', /hold -16/],
    ['a huge shape', { a: pair(0, 16, [2 ** 40, 2 ** 40]) }, 'bad-tensor', /needs/],
    ['no shape', { a: { dtype: 'F32', data_offsets: [0, 16] } }, 'bad-tensor', /malformed shape nothing/],
    ['an entry that is no object', { a: 3 }, 'bad-tensor', /expected an object/],
    ['metadata that is no text', { __metadata__: { a: 1 }, x: pair(0, 16, [4]) }, 'corrupt-archive', /__metadata__/],
    ['a list', [], 'corrupt-archive', /expected a JSON object/],
    ['broken JSON', '{"a": ', 'corrupt-archive', /not JSON/],
  ];
  it.each(bad)('refuses %s', async (_, header, code, message) => {
    const error = await thrownBy(() => read(header, floats, () => undefined));
    expect(error).toMatchObject({ code, exitCode: 6, message: expect.stringMatching(message) });
    expect((error as Error).message).toMatch(/model\.safetensors: /);
  });

  it('checks the length of the header before it reads it', async () => {
    for (const length of [1000, 2 ** 40])
      expect(await thrownBy(() => read({}, floats, () => undefined, length))).toMatchObject({
        code: 'corrupt-archive',
        message: expect.stringContaining(`header should have ${length} bytes`),
      });
  });
});
