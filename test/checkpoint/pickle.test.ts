import { describe, expect, it } from 'vitest';
import { readPickle } from '../../src/checkpoint/pickle.ts';
import { OpaqueObject, StorageRecord, TensorRecord } from '../../src/checkpoint/pickle-values.ts';
import { integer, numbers, thrownBy } from './building.ts';

const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const loads = (text: string): unknown => readPickle(bytesOf(text), 'file.bin, entry data.pkl').value;
const refusalOf = (text: string): Promise<unknown> => thrownBy(() => loads(text));

describe('readPickle makes data', () => {
  /** Bytes as Python's pickletools.dis shows them, and the value that pickle.loads gives. */
  const values: [bytes: string, value: unknown][] = [
    ['N.', null],
    ['\x80\x02\x88.', true],
    ['I01\n.', true],
    ['I-17\n.', -17],
    ['L123456789012345678901234567890L\n.', 123456789012345678901234567890n],
    ['K\xff.', 255],
    ['M\x01\x02.', 513],
    ['J\xfe\xff\xff\xff.', -2],
    ['\x8a\x02\x00\xff.', -256],
    ['\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.', 0x1950a86a20f9469cfc6cn],
    ['\x8a\x00.', 0],
    ['G\xbf\xe0\x00\x00\x00\x00\x00\x00.', -0.5],
    ['F1.5e3\n.', 1500],
    ["S'it\\'s \\x41\\n'\n.", "it's A\n"],
    ['V\\u5c01\\u795e\n.', '封神'],
    ['X\x06\x00\x00\x00\xe5\xb0\x81\xe7\xa5\x9e.', '封神'],
    ['\x8c\x01a.', 'a'],
    ['U\x02\xff\xfe.', 'ÿþ'],
    ['C\x02\x00\xff.', Uint8Array.of(0, 255)],
    ['(I1\nI2\nl.', [1, 2]],
    ['](I1\nI2\ne.', [1, 2]],
    ['(I1\nI2\nI3\nt.', [1, 2, 3]],
    ['I1\nI2\n\x86.', [1, 2]],
    [
      '}(\x8c\x01aK\x01\x8c\x01bK\x02u.',
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    ],
    ['(\x8c\x01aK\x01d.', new Map([['a', 1]])],
    ['\x8f(K\x01K\x02\x90.', new Set([1, 2])],
    ['K\x01(K\x021.', 1],
    ['(0K\x03.', 3],
    ['ctorch\nSize\n(K\x02K\x03t\x85R.', [2, 3]],
    ['c_codecs\nencode\n(X\x02\x00\x00\x00\xc3\xbfX\x06\x00\x00\x00latin1tR.', Uint8Array.of(255)],
  ];
  it.each(values)('%j', (bytes, value) => {
    expect(loads(bytes)).toEqual(value);
  });

  it('builds an OrderedDict from pairs, and drops the state that torch puts on it', () => {
    expect(loads('ccollections\nOrderedDict\n((\x8c\x01aK\x01tl\x85R.')).toEqual(new Map([['a', 1]]));
    expect(loads('ccollections\nOrderedDict\n)R}\x8c\x09_metadata}sb.')).toEqual(new Map());
  });

  it('finds a memo entry whichever opcode wrote and reads it', () => {
    const writes = ['q\x00', 'r\x00\x00\x00\x00', 'p0\n', '\x94'];
    const reads = ['h\x00', 'j\x00\x00\x00\x00', 'g0\n'];
    for (const write of writes) for (const read of reads) expect(loads(`\x8c\x01a${write}0${read}.`)).toBe('a');
  });

  it('numbers MEMOIZE after the entries that are there', () => {
    expect(loads('\x8c\x01aq\x000\x8c\x01b\x940h\x01.')).toBe('b');
  });

  it('rebuilds tensors as records, and parameters as their tensor', () => {
    const storage = "(S'storage'\nctorch\nHalfStorage\nS'7'\nS'cuda:1'\nI6\ntQ";
    const tensor = `ctorch._utils\n_rebuild_tensor_v2\n(${storage}I2\n(I2\nI2\nt(I1\nI2\nt\x89Nt`;
    const expected = new TensorRecord(new StorageRecord('7', 'float16', 6), 2, [2, 2], [1, 2]);
    expect(loads(`${tensor}R.`)).toEqual(expected);
    expect(loads(`ctorch._utils\n_rebuild_parameter\n(${tensor}R\x88NtR.`)).toEqual(expected);
    const { storages } = readPickle(bytesOf(`${tensor}R.`), 'x');
    expect([...storages.keys()]).toEqual(['7']);
  });

  it('keeps a Namespace as attributes that nothing executes', () => {
    const value = loads(
      'cargparse\nNamespace\n)\x81}(\x8c\x06layersK\x18\x8c\x05dtypectorch\nfloat16\nub.',
    ) as OpaqueObject;
    expect(value).toBeInstanceOf(OpaqueObject);
    expect(value.className).toBe('argparse.Namespace');
    expect(value.attributes.get('layers')).toBe(24);
    expect(value.attributes.get('dtype')).toMatchObject({ name: 'torch.float16' });
  });

  it('says where it ended, so that pickles can follow each other', () => {
    const bytes = bytesOf('K\x01.K\x02.');
    const first = readPickle(bytes, 'x');
    expect([first.value, first.end, readPickle(bytes, 'x', first.end).value]).toEqual([1, 3, 2]);
  });
});

describe('readPickle refuses what is not on the allow-list', () => {
  const unsafe: [bytes: string, message: RegExp][] = [
    ['cos\nsystem\n.', /"os\.system"/],
    ['c__builtin__\neval\n.', /"__builtin__\.eval"/],
    ['cbuiltins\ngetattr\n.', /"builtins\.getattr"/],
    ['csubprocess\nPopen\n.', /"subprocess\.Popen"/],
    ['ctorch\nload\n.', /"torch\.load"/],
    ['ctorch.storage\n_load_from_bytes\n.', /_load_from_bytes/],
    ['ctorch.jit\nload\n.', /"torch\.jit\.load"/],
    ['cnumpy\nload\n.', /"numpy\.load"/],
    ['ccollections\nOrderedDict.__init__.__globals__\n.', /__globals__/],
    ['cmegatron.training\npretrain\n.', /"megatron\.training\.pretrain"/],
    ['cconstructor\n__proto__\n.', /__proto__/],
    ['\x8c\x02os\x8c\x06system\x93.', /"os\.system"/],
    ["(S'x'\nios\nsystem\n.", /"os\.system"/],
    ['ctorch\nHalfStorage\n)R.', /calls the global torch\.HalfStorage/],
    ['ctorch\nfloat16\n)R.', /calls the global torch\.float16/],
    ["S'system'\n)R.", /calls "system"/],
    [']}b.', /gives a state to a sequence/],
    ['\x82\x01.', /EXT1/],
    ['\x97.', /NEXT_BUFFER/],
  ];
  it.each(unsafe)('%j', async (bytes, message) => {
    const error = await refusalOf(bytes);
    expect(error).toMatchObject({ code: 'unsafe-pickle', exitCode: 6, message: expect.stringMatching(message) });
    expect((error as Error).message).toMatch(/^file\.bin, entry data\.pkl: /);
  });
});

describe('readPickle refuses what is damaged or without measure', () => {
  const malformed: [what: string, bytes: string, message: RegExp][] = [
    ['an empty pickle', '', /cut off/],
    ['no STOP', 'K\x01', /cut off/],
    ['text beyond the end', 'X\xff\x00\x00\x00abc', /cut off/],
    ['an unknown opcode', '\xff.', /unknown opcode 0xff/],
    ['protocol 6', '\x80\x06N.', /protocol 6/],
    ['an empty stack', '.', /missing on the stack/],
    ['values left over', 'K\x01K\x02.', /left on the stack/],
    ['a mark left over', '(.', /missing on the stack/],
    ['a tuple without a mark', 't.', /mark is missing/],
    ['values from below a mark', 'K\x01(K\x02\x86.', /missing on the stack/],
    ['a memo entry never written', 'h\x05.', /memo entry 5 was never written/],
    ['a key without a value', '}(K\x01u.', /key without a value/],
    ['an append to a tuple', ')K\x01a.', /append to a sequence/],
    ['an append to a number', 'K\x01K\x02a.', /append to 1/],
    ['an item set on a list', ']K\x01K\x02s.', /item set on a sequence/],
    ['a malformed integer', 'Ix\n.', /malformed integer/],
    ['a malformed float', 'Fx\n.', /malformed float/],
    ['a string without quotes', 'Sx\n.', /without its quotes/],
    ['an integer of 2000 bytes', `\x8b\xd0\x07\x00\x00${'\x01'.repeat(2000)}.`, /integer of 2000 bytes/],
    ['a length of 2^40', '\x8d\x00\x00\x00\x00\x00\x01\x00\x00', /length of 1099511627776 bytes/],
    ['arguments that are no tuple', 'ccollections\nOrderedDict\nK\x01R.', /arguments that are 1/],
    ['a persistent id that is none', "S'x'\nQ.", /persistent id/],
    ['a storage of a class that is none', "(S'storage'\nctorch\nfloat16\nS'0'\nS'cpu'\nI1\ntQ.", /storage class/],
    ['a storage key that is a path', "(S'storage'\nctorch\nHalfStorage\nS'../0'\nS'cpu'\nI1\ntQ.", /key of a storage/],
    ['a million values on the stack', 'N'.repeat(1_000_001), /more than 1000000 values/],
    ['ten thousand open marks', '('.repeat(10_001), /more than 10000 open marks/],
  ];
  it.each(malformed)('%s', async (_, bytes, message) => {
    const error = await refusalOf(bytes);
    expect(error).toMatchObject({ code: 'malformed-pickle', exitCode: 6, message: expect.stringMatching(message) });
  });

  it('does not multiply memory by copying one list again and again', async () => {
    const pairs = `((${'K\x01K\x01\x86'.repeat(20_000)}lq\x00`;
    const copies = 'ccollections\nOrderedDict\nh\x00\x85R'.repeat(2000);
    expect(await refusalOf(`${pairs}${copies}t.`)).toMatchObject({
      message: expect.stringMatching(/more than 16000000 items/),
    });
  });

  it('copes with nesting of any depth and with a list inside itself', () => {
    const deep = 200_000;
    expect(readPickle(bytesOf(`${']'.repeat(deep)}${'a'.repeat(deep - 1)}.`), 'x').value).toHaveLength(1);
    expect(loads(']q\x00h\x00a.')).toHaveLength(1);
  });

  it('reads a large list in the batches of 1000 that Python writes', () => {
    const batch = Buffer.concat([
      Buffer.from('('),
      ...Array.from({ length: 1000 }, (_, i) => integer(i)),
      Buffer.from('e'),
    ]);
    const bytes = Buffer.concat([Buffer.from(']'), ...Array.from({ length: 50 }, () => batch), Buffer.from('.')]);
    expect(readPickle(bytes, 'x').value).toHaveLength(50_000);
  });

  it('checks the length of a frame', async () => {
    expect(loads('\x80\x04\x95\x03\x00\x00\x00\x00\x00\x00\x00K\x01.')).toBe(1);
    expect(await refusalOf(`\x80\x04\x95${numbers([1000, 8]).toString('latin1')}K\x01.`)).toMatchObject({
      code: 'malformed-pickle',
    });
  });
});
