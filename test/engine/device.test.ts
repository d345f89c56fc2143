import { describe, expect, it } from 'vitest';
import { parseDevice } from '../../src/engine/device.ts';
import { UsageError } from '../../src/util/errors.ts';

describe('parseDevice', () => {
  it.each([
    ['auto', { kind: 'cpu', index: 0, name: 'cpu' }],
    ['cpu', { kind: 'cpu', index: 0, name: 'cpu' }],
    ['webgpu', { kind: 'webgpu', index: 0, name: 'webgpu' }],
    ['cuda', { kind: 'cuda', index: 0, name: 'cuda:0' }],
    ['cuda:3', { kind: 'cuda', index: 3, name: 'cuda:3' }],
    ['dml', { kind: 'dml', index: 0, name: 'dml' }],
    ['coreml', { kind: 'coreml', index: 0, name: 'coreml' }],
  ])('%s', (name, device) => {
    expect(parseDevice(name)).toEqual(device);
  });

  it.each(['', 'gpu', 'CUDA', 'cuda:', 'cuda:x', 'cuda:-1', 'cuda:99999', 'cpu:0', 'webgpu:1', 'constructor'])(
    'refuses "%s"',
    (name) => {
      expect(() => parseDevice(name)).toThrow(UsageError);
      expect(() => parseDevice(name)).toThrow('expected auto, cpu, webgpu, cuda, cuda:N, dml or coreml');
    },
  );
});
