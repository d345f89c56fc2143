/** The engine: graphs in, tensors out. The only folder that touches ONNX Runtime. */
export { type SelfTestReport, selfTest } from './capi/self-test.ts';
export type { Explanation, Traffic } from './explanation.ts';
export { type DeviceReport, listDevices, probeDevice } from './list-devices.ts';
export { openSession, type SessionOptions } from './open-session.ts';
export type { OperatorUse } from './profile.ts';
export type {
  Binding,
  CacheMove,
  DeviceMemory,
  DeviceTensor,
  Feeds,
  InputOptions,
  OptimizationLevel,
  RunOptions,
  RuntimeName,
  Session,
} from './session.ts';
export {
  float32Tensor,
  int64Tensor,
  type Tensor,
  type TensorData,
  type TensorDtype,
  toFloat32,
  toNumbers,
  type ValueInfo,
  zeros,
} from './tensor.ts';
