import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { stateDictPickle, temporaryFile, thrownBy, type ZipRecord, zip } from './building.ts';

const pickle = stateDictPickle({ w: { shape: [4] } });
const RECORDS: ZipRecord[] = [
  { name: 'model/data.pkl', data: pickle },
  { name: 'model/data/0', data: new Uint8Array(16) },
];

describe('torch archives', () => {
  it('open under any root, with byteorder little, and with a record that is longer than its storage', async () => {
    for (const records of [
      RECORDS,
      [...RECORDS, { name: 'model/byteorder', data: 'little' }],
      [RECORDS[0]!, { name: 'model/data/0', data: new Uint8Array(64) }],
    ]) {
      const checkpoint = await openCheckpoint(await temporaryFile(zip(records)));
      expect(checkpoint.tensors.get('w')!.shape).toEqual([4]);
      await checkpoint.close();
    }
  });

  const refused: [what: string, records: ZipRecord[], code: string, message: RegExp][] = [
    ['no pickle', [RECORDS[1]!], 'corrupt-archive', /expected one <root>\/data\.pkl .* found 0 among 1/],
    ['two roots', [...RECORDS, { name: 'b/data.pkl', data: 'N.' }], 'corrupt-archive', /found 2 among 3/],
    [
      'a big-endian machine',
      [...RECORDS, { name: 'model/byteorder', data: 'big' }],
      'unsupported-checkpoint',
      /found "big"/,
    ],
    [
      'a byteorder of a megabyte',
      [...RECORDS, { name: 'model/byteorder', data: ' '.repeat(1e6) }],
      'malformed-pickle',
      /at most 64/,
    ],
    ['code', [...RECORDS, { name: 'model/constants.pkl', data: 'N.' }], 'unsupported-checkpoint', /TorchScript/],
    [
      'a pickle with another checksum',
      [{ ...RECORDS[0]!, central: { crc: 1 } }, RECORDS[1]!],
      'corrupt-archive',
      /data\.pkl: expected crc32 1, found/,
    ],
    ['a missing storage', [RECORDS[0]!], 'bad-tensor', /model\/data\/0 of storage 0 is missing/],
  ];
  it.each(refused)('refuse %s', async (_, records, code, message) => {
    const file = await temporaryFile(zip(records));
    expect(await thrownBy(() => openCheckpoint(file))).toMatchObject({ code, message: expect.stringMatching(message) });
  });
});
