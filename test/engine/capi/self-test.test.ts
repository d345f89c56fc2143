import { describe, expect, it } from 'vitest';
import { FUNCTIONS, type FunctionName } from '../../../src/engine/capi/functions.ts';
import { loadLibrary, type OrtLibrary } from '../../../src/engine/capi/library.ts';
import { selfTest, testLibrary } from '../../../src/engine/capi/self-test.ts';
import { TINY_GRAPH } from '../../../src/engine/tiny-graph.ts';
import { float } from '../graphs.ts';
import { onnxBytes } from '../onnx-bytes.ts';

describe('the self-test', () => {
  it('passes here and calls every function of the table', async () => {
    const report = await selfTest();
    expect(report.failure).toBeUndefined();
    expect(report).toMatchObject({ ok: true, version: '1.30.0' });
    expect(report.providers).toContain('CPUExecutionProvider');
    expect([...report.functions].sort()).toEqual(Object.keys(FUNCTIONS).sort());
  });

  it('names the function that goes wrong', async () => {
    const library = await loadLibrary();
    const broken = (name: FunctionName): OrtLibrary => {
      const fail = () => {
        throw new Error('not what was expected');
      };
      return { ...library, api: { ...library.api, [name]: Object.assign(fail, { async: fail }) } } as OrtLibrary;
    };
    for (const name of ['CreateEnv', 'GetSymbolicDimensions', 'Run', 'BindOutput'] as const)
      expect(await testLibrary(broken(name))).toMatchObject({
        ok: false,
        failure: expect.stringMatching(`^after calling ${name}: .*not what was expected`),
      });
  });

  it('notices wrong numbers', async () => {
    const library = await loadLibrary();
    const lying: OrtLibrary = { ...library, readBytes: (_, length) => new ArrayBuffer(length) };
    expect(await testLibrary(lying)).toMatchObject({
      ok: false,
      failure: expect.stringContaining('found float32 [3] = 0,0,0'),
    });
  });

  it('uses the graph that its comment describes', () => {
    const described = onnxBytes({
      nodes: [{ op: 'Add', inputs: ['x', 'bias'], outputs: ['y'] }],
      inputs: [float('x', 'n'), float('bias', 1)],
      outputs: [float('y', 'n')],
      constants: [{ name: 'bias', type: 'float32', shape: [1], data: Float32Array.of(1) }],
    });
    expect(Buffer.from(TINY_GRAPH).equals(described)).toBe(true);
  });
});
