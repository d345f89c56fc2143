import { describe, expect, it } from 'vitest';
import { preferredDtypes } from '../../src/cli/preferred-dtypes.ts';

describe('preferredDtypes', () => {
  it.each([
    ['a mini', 1.3e6, 'decoder', 'auto', 8, ['fp32']],
    ['Wenzhong 110M', 124e6, 'decoder', 'auto', 8, ['int8', 'int4']],
    ['Wenzhong 3.5B on a laptop', 3.556e9, 'decoder', 'cpu', 8, ['int8', 'int4']],
    ['Wenzhong 3.5B with half of its memory', 3.556e9, 'decoder', 'cpu', 4, ['int4']],
    ['Erlangshen 110M', 102e6, 'encoder', 'cpu', 8, ['fp32', 'int8', 'int4']],
    ['Erlangshen 1.3B on a laptop', 1.26e9, 'encoder', 'cpu', 8, ['fp32', 'int8', 'int4']],
    ['Erlangshen 3.9B on a laptop', 3.84e9, 'encoder', 'cpu', 8, ['int8', 'int4']],
    ['a GPU', 3.556e9, 'decoder', 'cuda:1', 8, ['fp32']],
  ] as const)('%s', (_, parameters, workload, device, gigabytes, expected) => {
    expect(preferredDtypes({ parameters, workload }, device, gigabytes * 1e9)).toEqual(expected);
  });

  it('knows the memory of this machine', () => {
    expect(preferredDtypes({ parameters: 60e6, workload: 'decoder' }, 'cpu')[0]).toBe('int8');
  });
});
