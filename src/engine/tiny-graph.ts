/** The smallest graph that shows everything: for the self-test, and to try a device. */
import { IntegrityError } from '../util/errors.ts';
import type { Session } from './session.ts';
import { describe, float32Tensor } from './tensor.ts';

/** ONNX (IR 10, opset 21): y[n] = Add(x[n], bias[1]), float32, where the input `bias` has the default [1]. */
export const TINY_GRAPH: Uint8Array = Buffer.from(
  'CAo6YwoRCgF4CgRiaWFzEgF5IgNBZGQSBHRlc3QqEAgBEAFCBGJpYXNKBAAAgD9aEAoBeBILCgkIARIFCgMSAW5aEgoEYmlhcxIKCggIARIECgIIAWIQCgF5EgsKCQgBEgUKAxIBbkIECgAQFUIRCg1jb20ubWljcm9zb2Z0EAE=',
  'base64',
);

/** Runs the tiny graph in a session and throws when a number is wrong. */
export async function runTinyGraph(session: Session): Promise<void> {
  const { y } = await session.run({ x: float32Tensor(Float32Array.of(1, 2, 3), [3]) }, ['y']);
  if (y?.dtype !== 'float32' || y.shape.join() !== '3' || y.data.join() !== '2,3,4')
    throw new IntegrityError(`[1, 2, 3] + 1: expected float32 [3] = 2,3,4, found ${y && describe(y)} = ${y?.data}`, {
      code: 'wrong-result',
    });
}
