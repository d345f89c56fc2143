import { describe, expect, it } from 'vitest';
import { ATTENTION_GRAPH, attentionOnCpu, isAttentionRight } from '../../src/engine/attention-check.ts';
import { openSession } from '../../src/engine/open-session.ts';
import type { Feeds, Session, SessionSettings } from '../../src/engine/session.ts';
import { zeros } from '../../src/engine/tensor.ts';
import { arithmetic, attention, float } from './graphs.ts';
import { onnxBytes } from './onnx-bytes.ts';

const settings = (name: string): SessionSettings => ({
  device: { kind: 'webgpu', index: 0, name },
  threads: 1,
  optimization: 'all',
  config: {},
  onWarning: () => undefined,
});
/** A device that gives zeros. */
const wrong = { run: async ({ q }: Feeds) => ({ y: zeros('float32', q!.shape) }), dispose: async () => undefined };
const never = (): never => {
  throw new Error('no check was expected');
};

describe('the check of attention', () => {
  it.each(['capi', 'node'] as const)('passes on the CPU through the %s runtime', async (runtime) => {
    const session = await openSession(ATTENTION_GRAPH, { device: 'cpu', runtime });
    expect(await isAttentionRight(session)).toBe(true);
    await session.dispose();
  });

  it('fails where the numbers are others', async () => {
    expect(await isAttentionRight(wrong as unknown as Session)).toBe(false);
  });

  it('uses the graph that its comment describes', () => {
    const value = (name: string) => float(name, 'batch_size', 'sequence_length', 8);
    const described = onnxBytes({
      nodes: [
        {
          op: 'MultiHeadAttention',
          domain: 'com.microsoft',
          inputs: ['q', 'k', 'v'],
          outputs: ['y'],
          attributes: { num_heads: 1n },
        },
      ],
      inputs: [value('q'), value('k'), value('v')],
      outputs: [value('y')],
    });
    expect(Buffer.from(ATTENTION_GRAPH).equals(described)).toBe(true);
  });
});

describe('attentionOnCpu', () => {
  const model = attention({ heads: 2, headSize: 8 });

  it('keeps attention from a device that computes it wrong; the device is asked once', async () => {
    let opened = 0;
    const open = async (): Promise<Session> => {
      opened++;
      return wrong as unknown as Session;
    };
    expect(await attentionOnCpu(model, settings('a bad one'), open)).toHaveLength(1);
    expect(await attentionOnCpu(model, settings('a bad one'), open)).toHaveLength(1);
    expect(opened).toBe(1);
  });

  it('leaves it where the device is right', async () => {
    const open = (graph: Uint8Array) => openSession(graph, { device: 'cpu' });
    expect(await attentionOnCpu(model, settings('a good one'), open)).toEqual([]);
  });

  it('asks nothing of graphs without attention, of other devices, and of its own graph', async () => {
    expect(await attentionOnCpu(arithmetic, settings('x'), never)).toEqual([]);
    expect(await attentionOnCpu(ATTENTION_GRAPH, settings('x'), never)).toEqual([]);
    const cpu: SessionSettings = { ...settings('x'), device: { kind: 'cpu', index: 0, name: 'cpu' } };
    expect(await attentionOnCpu(model, cpu, never)).toEqual([]);
  });
});
