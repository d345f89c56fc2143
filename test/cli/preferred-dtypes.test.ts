import { describe, expect, it } from 'vitest';
import { preferredDtypes } from '../../src/cli/preferred-dtypes.ts';

const GB = 1e9;

describe('preferredDtypes', () => {
  it.each([
    ['a mini', 1.3e6, 'auto', 8, ['fp32']],
    ['BERT base', 102e6, 'auto', 8, ['int8', 'int4', 'fp32', 'fp16']],
    ['Wenzhong 3.5B on a laptop', 3.556e9, 'cpu', 8, ['int8', 'int4', 'fp32', 'fp16']],
    ['Wenzhong 3.5B with less', 3.556e9, 'cpu', 4, ['int4', 'int8', 'fp16', 'fp32']],
    ['a GPU', 1.3e9, 'cuda:1', 8, ['fp32', 'fp16']],
  ])('%s', (_, parameters, device, gigabytes, expected) => {
    expect(preferredDtypes(parameters, device, gigabytes * GB)).toEqual(expected);
  });

  it('knows the memory of this machine', () => {
    expect(preferredDtypes(60e6, 'cpu')[0]).toBe('int8');
  });
});
