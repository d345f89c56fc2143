import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { stateDictPickle, temporaryFile, text, thrownBy, torchZip } from './building.ts';

/** The tensor "w" of stateDictPickle without its dictionary: what stands between its name and the end. */
const TENSOR = stateDictPickle({ w: { shape: [4] } }).subarray(4 + 6, -2);
const latin1 = (value: string): Buffer => Buffer.from(value, 'latin1');

async function namesIn(...pickle: Buffer[]): Promise<string[]> {
  const file = await temporaryFile(torchZip(Buffer.concat([...pickle, latin1('.')]), { '0': new Uint8Array(16) }));
  const checkpoint = await openCheckpoint(file);
  await checkpoint.close();
  return [...checkpoint.tensors.keys()];
}

describe('the state dict is found', () => {
  it('at the root, below a wrapper, and in nested dictionaries', async () => {
    const inner = [latin1('}'), text('w'), TENSOR, latin1('s')];
    expect(await namesIn(...inner)).toEqual(['w']);
    for (const wrapper of ['state_dict', 'model_state_dict', 'model', 'module'])
      expect(await namesIn(latin1('}'), text(wrapper), ...inner, latin1('s'))).toEqual(['w']);
    expect(await namesIn(latin1('}'), text('a'), latin1('}'), text('b'), ...inner, latin1('ss'))).toEqual(['a.b.w']);
  });

  it('unless it has no end: a dictionary inside itself, or in two places', async () => {
    for (const pickle of ['}q\x00X\x01\x00\x00\x00ah\x00s', '}X\x01\x00\x00\x00a}q\x01sX\x01\x00\x00\x00bh\x01s'])
      expect(await thrownBy(() => namesIn(latin1(pickle)))).toMatchObject({
        code: 'corrupt-archive',
        message: expect.stringMatching(/is also somewhere else/),
      });
  });

  it('unless it nests without measure or has names that are none', async () => {
    const nested = [
      ...Array.from({ length: 20 }, () => [latin1('}'), text('a')]).flat(),
      TENSOR,
      latin1('s'.repeat(20)),
    ];
    expect(await thrownBy(() => namesIn(...nested))).toMatchObject({
      message: expect.stringMatching(/more than 16 deep/),
    });
    const long = [latin1('}'), text('x'.repeat(600)), TENSOR, latin1('s')];
    expect(await thrownBy(() => namesIn(...long))).toMatchObject({
      message: expect.stringMatching(/name of a tensor/),
    });
    const odd = [latin1('}N'), TENSOR, latin1('s')];
    expect(await thrownBy(() => namesIn(...odd))).toMatchObject({ message: expect.stringMatching(/found null/) });
  });
});
