import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { readFloat32 } from '../../src/tensor/lazy-tensor.ts';
import { fixtureBytes, integer, numbers, temporaryFile, text, thrownBy } from './building.ts';

const latin1 = (value: string): Buffer => Buffer.from(value, 'latin1');
const MAGIC = latin1('\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.');

interface Parts {
  readonly magic?: Buffer;
  readonly protocol?: number;
  readonly littleEndian?: boolean;
  readonly window?: [first: number, count: number];
  readonly elements?: number;
  readonly keys?: string[];
  readonly counts?: number[];
  readonly cut?: number;
}

/** A stream with one tensor "w" of [2] over a storage of floats 1, 2, 3, 4. */
function stream(parts: Parts): Buffer {
  const {
    magic = MAGIC,
    protocol = 1001,
    littleEndian = true,
    window,
    elements = 4,
    keys = ['5'],
    counts = [4],
    cut = 0,
  } = parts;
  const view = window
    ? Buffer.concat([latin1('('), text('view'), integer(window[0]), integer(window[1]), latin1('t')])
    : latin1('N');
  const storage = [text('storage'), latin1('ctorch\nFloatStorage\n'), text('5'), text('cpu'), integer(elements), view];
  const object = [
    latin1('\x80\x02}'),
    text('w'),
    latin1('ctorch._utils\n_rebuild_tensor_v2\n(('),
    ...storage,
    latin1('tQI0\n(I2\nt(I1\nt\x89NtRs.'),
  ];
  const whole = Buffer.concat([
    magic,
    integer(protocol),
    latin1('.}'),
    text('little_endian'),
    latin1(littleEndian ? '\x88s.' : '\x89s.'),
    ...object,
    latin1(']('),
    ...keys.map(text),
    latin1('e.'),
    ...counts.flatMap((count) => [numbers([count, 8]), Buffer.from(Float32Array.of(1, 2, 3, 4).buffer)]),
  ]);
  return whole.subarray(0, whole.length - cut);
}

describe('the stream from before torch 1.6', () => {
  it('reads a tensor', async () => {
    const checkpoint = await openCheckpoint(await temporaryFile(stream({})));
    expect(checkpoint.format).toBe('torch-legacy');
    expect(await readFloat32(checkpoint.tensors.get('w')!)).toEqual(Float32Array.of(1, 2));
    await checkpoint.close();
  });

  it('reads a tensor in a window of its storage', async () => {
    const checkpoint = await openCheckpoint(await temporaryFile(stream({ window: [1, 3] })));
    expect(checkpoint.tensors.get('w')).toMatchObject({ offset: 1, storage: { elementCount: 4 } });
    expect(await readFloat32(checkpoint.tensors.get('w')!)).toEqual(Float32Array.of(2, 3));
    await checkpoint.close();
  });

  const bad: [what: string, parts: Parts, code: string, message: RegExp][] = [
    ['another magic number', { magic: latin1('\x80\x02K\x01.') }, 'corrupt-archive', /magic number first, found 1/],
    ['another protocol', { protocol: 1000 }, 'corrupt-archive', /protocol 1001, found 1000/],
    ['a big-endian machine', { littleEndian: false }, 'unsupported-checkpoint', /little-endian/],
    ['a window beyond its storage', { window: [2, 3] }, 'bad-tensor', /3 elements from 2 on, but there are 4/],
    [
      'a tensor beyond its window',
      { window: [1, 1] },
      'bad-tensor',
      /"w": it reaches to element 3, but its storage has 2/,
    ],
    [
      'a storage that no tensor names',
      { keys: ['6'] },
      'corrupt-archive',
      /storage 6 in the stream belongs to no tensor/,
    ],
    ['a storage that is not listed', { keys: [], counts: [] }, 'bad-tensor', /storage 5 is not in the list/],
    ['a storage listed twice', { keys: ['5', '5'], counts: [4, 4] }, 'corrupt-archive', /listed twice/],
    ['another count in the stream', { counts: [3] }, 'bad-tensor', /told to have 4 elements, the stream has 3/],
    ['a storage that is cut off', { cut: 3 }, 'corrupt-archive', /cut off: storage 5 should have 16 bytes/],
    ['pickles that are cut off', { cut: 60 }, 'corrupt-archive', /end within the pickles/],
    ['more elements than the file has', { elements: 2 ** 45 }, 'corrupt-archive', /cut off/],
  ];
  it.each(bad)('refuses %s', async (_, parts, code, message) => {
    const file = await temporaryFile(stream(parts));
    const error = await thrownBy(() => openCheckpoint(file));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect((error as Error).message).toContain(file);
  });

  it('refuses the fixture cut off at any place', async () => {
    const whole = fixtureBytes('legacy', 'pytorch_model.bin');
    for (let length = 16; length < whole.length; length += 97) {
      const file = await temporaryFile(whole.subarray(0, length));
      expect(await thrownBy(() => openCheckpoint(file))).toMatchObject({
        code: 'corrupt-archive',
        message: expect.stringMatching(/cut off/),
      });
    }
  });
});
