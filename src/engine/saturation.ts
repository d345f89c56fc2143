/**
 * Whether int8 products saturate here. x64 without VNNI adds pairs of uint8 · int8 products in 16 bits: 255 · 127 · 2 is beyond 32767,
 * and ONNX Runtime's kernels for such machines let it be cut off. Its exact kernels (session.x64quantprecision) take twice the
 * time, on machines with VNNI too, so it is found out by doing.
 */
import type { Session } from './session.ts';
import { zeros } from './tensor.ts';

/** ONNX (IR 10, opset 21): y[m, n] = DynamicQuantizeMatMul(x[m, k], w[k, n] int8, s[n]). */
export const INT8_GRAPH: Uint8Array = Buffer.from(
  'CAoSA2ZzYhoAOpQBCjUKAXgKAXcKAXMSAXkaAXEiFUR5bmFtaWNRdWFudGl6ZU1hdE11bDoNY29tLm1pY3Jvc29mdBIEaW50OFoVCgF4EhAKDggBEgoKAxIBbQoDEgFrWhUKAXcSEAoOCAMSCgoDEgFrCgMSAW5aEAoBcxILCgkIARIFCgMSAW5iFQoBeRIQCg4IARIKCgMSAW0KAxIBbkIECgAQFUIRCg1jb20ubWljcm9zb2Z0EAE=',
  'base64',
);

/** Enough for the vector kernels, which take blocks of four rows and sixteen columns. */
const [ROWS, INNER, COLUMNS] = [4, 32, 16];

/** Runs INT8_GRAPH on numbers that need more than 16 bits; true when the result is not their product. */
export async function saturatesInt8(session: Session): Promise<boolean> {
  const [x, w, s] = [zeros('float32', [ROWS, INNER]), zeros('int8', [INNER, COLUMNS]), zeros('float32', [COLUMNS])];
  x.data.fill(1); // rounded to 255, exactly
  w.data.fill(127);
  s.data.fill(1);
  const { y } = await session.run({ x, w, s }, ['y']);
  return (y!.data as Float32Array).some((value) => Math.abs(value - 127 * INNER) > INNER);
}
