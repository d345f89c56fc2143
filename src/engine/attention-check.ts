/**
 * Does this adapter compute attention right? From 32 tokens on, ONNX Runtime 1.30's WebGPU attention takes another program,
 * which on most adapters passes numbers between the lanes of a subgroup. On Mesa's llvmpipe its results are wrong in the
 * second digit, without an error. Nobody should have to find that out from an answer.
 */
import { readFile } from 'node:fs/promises';
import { nodeNames } from './node-names.ts';
import type { ModelSource, Session, SessionSettings } from './session.ts';
import { float32Tensor } from './tensor.ts';

/** Operators that use the program in question. */
const ATTENTION: ReadonlySet<string> = new Set(['MultiHeadAttention', 'GroupQueryAttention', 'Attention']);

const LENGTH = 40;
const HEAD_SIZE = 8;

/** float32 differs by less than 1e-6 where it is right, by more than 1e-2 where it is not. */
const TOLERANCE = 1e-4;

/**
 * ONNX (IR 10, opset 21, com.microsoft 1): y = MultiHeadAttention(q, k, v) with one head, float32 (1, T, 8) each; scores
 * are scaled by 1/√8.
 */
export const ATTENTION_GRAPH: Uint8Array = Buffer.from(
  'CAo6kQIKQQoBcQoBawoBdhIBeSISTXVsdGlIZWFkQXR0ZW50aW9uKhAKCW51bV9oZWFkcxgBoAECOg1jb20ubWljcm9zb2Z0EgR0ZXN0WjAKAXES' +
    'KwopCAESJQoMEgpiYXRjaF9zaXplChESD3NlcXVlbmNlX2xlbmd0aAoCCAhaMAoBaxIrCikIARIlCgwSCmJhdGNoX3NpemUKERIPc2VxdWVuY2Vf' +
    'bGVuZ3RoCgIICFowCgF2EisKKQgBEiUKDBIKYmF0Y2hfc2l6ZQoREg9zZXF1ZW5jZV9sZW5ndGgKAggIYjAKAXkSKwopCAESJQoMEgpiYXRjaF9z' +
    'aXplChESD3NlcXVlbmNlX2xlbmd0aAoCCAhCBAoAEBVCEQoNY29tLm1pY3Jvc29mdBAB',
  'base64',
);

/** By device: whether it computes attention right. Drivers do not change while the process lives. */
const checks = new Map<string, Promise<boolean>>();

/**
 * Names of the nodes of `model` that are to stay on the CPU: attention, where the device of `settings` is WebGPU and
 * computes it wrong. `open` opens a session with these settings.
 */
export async function attentionOnCpu(
  model: ModelSource,
  settings: SessionSettings,
  open: (graph: Uint8Array, settings: SessionSettings) => Promise<Session>,
): Promise<string[]> {
  if (settings.device.kind !== 'webgpu' || model === ATTENTION_GRAPH) return [];
  const names = nodeNames(typeof model === 'string' ? await readFile(model) : model, ATTENTION);
  if (names.length === 0) return [];
  const { name } = settings.device;
  const check = checks.get(name) ?? runCheck(() => open(ATTENTION_GRAPH, { ...settings, onExplanation: undefined }));
  checks.set(name, check);
  return (await check) ? [] : names;
}

/** Runs attention over 40 tokens in a session of ATTENTION_GRAPH and compares it with its definition. */
export async function isAttentionRight(session: Session): Promise<boolean> {
  const values = (phase: number): Float32Array =>
    Float32Array.from({ length: LENGTH * HEAD_SIZE }, (_, i) => Math.sin(1.37 * i + phase));
  const [q, k, v] = [values(1), values(2), values(3)] as const;
  const shape = [1, LENGTH, HEAD_SIZE];
  const { y } = await session.run(
    { q: float32Tensor(q, shape), k: float32Tensor(k, shape), v: float32Tensor(v, shape) },
    ['y'],
  );
  const expected = attention(q, k, v);
  return expected.every((value, i) => Math.abs(value - Number(y!.data[i])) <= TOLERANCE);
}

// --- internal ---

async function runCheck(open: () => Promise<Session>): Promise<boolean> {
  const session = await open();
  try {
    return await isAttentionRight(session);
  } finally {
    await session.dispose();
  }
}

/** softmax(q · kᵀ / √d) · v, row by row. */
function attention(q: Float32Array, k: Float32Array, v: Float32Array): Float64Array {
  const result = new Float64Array(LENGTH * HEAD_SIZE);
  for (let t = 0; t < LENGTH; t++) {
    const weights = Array.from({ length: LENGTH }, (_, s) => {
      let score = 0;
      for (let d = 0; d < HEAD_SIZE; d++) score += q[t * HEAD_SIZE + d]! * k[s * HEAD_SIZE + d]!;
      return Math.exp(score / Math.sqrt(HEAD_SIZE));
    });
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let s = 0; s < LENGTH; s++)
      for (let d = 0; d < HEAD_SIZE; d++) result[t * HEAD_SIZE + d]! += (weights[s]! / total) * v[s * HEAD_SIZE + d]!;
  }
  return result;
}
