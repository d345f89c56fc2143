/**
 * What ONNX Runtime says, as errors of fsb. Both bindings carry the same messages; only the C API adds a code, so the
 * class is found by message. Messages seen in ONNX Runtime 1.30.0.
 */
import {
  type ErrorDetails,
  FsbError,
  IntegrityError,
  messageOf,
  NotFoundError,
  ResourceError,
  UnsupportedError,
  UsageError,
} from '../util/errors.ts';
import { type Device, deviceUnavailable } from './device.ts';

type Phase = 'load' | 'run';

interface Rule {
  readonly phase?: Phase;
  readonly pattern: RegExp;
  readonly type: new (message: string, details: ErrorDetails) => FsbError;
  readonly code: string;
  readonly hint?: string;
}

/** The first rule that matches decides. */
const RULES: readonly Rule[] = [
  {
    pattern: /failed to allocate|bad[ _]alloc|out of memory|storage size overflowed|E_OUTOFMEMORY/i,
    type: ResourceError,
    code: 'out-of-memory',
    hint: 'use shorter or fewer texts at a time, a smaller model or a smaller dtype',
  },
  {
    pattern: /could not find an implementation|no op registered|is not a registered function\/op|not implemented/i,
    type: UnsupportedError,
    code: 'unsupported-operator',
    hint: 'convert the model again with this version of fsb, or choose another device',
  },
  {
    phase: 'load',
    pattern: /external data path does not exist|file doesn't exist|no such file/i,
    type: NotFoundError,
    code: 'model-file-missing',
    hint: 'a graph and its .onnx_data file belong in the same folder; convert or pull the model again',
  },
  {
    pattern: /unsupported model ir version|opset \d+ is under development|max supported ir version/i,
    type: UnsupportedError,
    code: 'unsupported-model-version',
    hint: 'the graph is newer than the ONNX Runtime of this version of fsb',
  },
  {
    pattern: /cuda|cudnn|cublas|webgpu|dawn|vulkan|d3d12|dxgi|directml|coreml/i,
    type: UnsupportedError,
    code: 'device-failed',
    hint: '`fsb doctor` says what each device needs; --device cpu always works',
  },
  {
    phase: 'load',
    pattern: /^/,
    type: IntegrityError,
    code: 'malformed-model',
    hint: 'convert or pull the model again',
  },
  {
    pattern: /\(\S+ node ".*"\)$|invalid dimensions|invalid rank|missing input/i,
    type: UsageError,
    code: 'inputs-rejected',
    hint: 'check the ids against the vocabulary and the lengths against the maximum of the model',
  },
  { pattern: /^/, type: FsbError, code: 'runtime-failed' },
];

/** Translates a failure of ONNX Runtime; `where` is the graph's file. An FsbError comes back as it is. */
export function runtimeFailure(phase: Phase, where: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof FsbError) return error;
  const reason = readable(error.message);
  const rule = RULES.find((rule) => (rule.phase ?? phase) === phase && rule.pattern.test(reason))!;
  const doing = phase === 'load' ? 'cannot be loaded' : 'failed while running';
  return new rule.type(`${where} ${doing}: ${reason}`, {
    code: rule.code,
    hint: rule.hint,
    facts: { runtimeMessage: error.message },
    cause: error,
  });
}

/** The same for opening a session: a failure of the device's own is about the device, whatever the graph. */
export function loadFailure(where: string, device: Device, error: unknown): unknown {
  const failure = runtimeFailure('load', where, error);
  const isOfDevice = failure instanceof FsbError && failure.code === 'device-failed';
  return isOfDevice && failure !== error ? deviceUnavailable(device, readable(messageOf(error)), error) : failure;
}

/** A message without the places in ONNX Runtime's own source: the last reason of a chain, and the node it is about. */
export function readable(message: string): string {
  const node = /^.*? while running (\S+) node\. Name:'(.*?)' Status Message: (.*)$/s.exec(message);
  if (node) return `${readable(node[3]!)} (${node[1]} node "${node[2]}")`;
  return message
    .trim()
    .replace(/^Load model from .*? failed:/s, '')
    .replace(/^.*\[ONNXRuntimeError\] : \d+ : \w+ : /s, '')
    .replace(/^External data path validation failed .*? Error: /s, '')
    .replace(/^\S+\.(cc|h):\d+ .*?\([^)]*\)( const)?( \[with [^\]]*\])?(::<lambda\(\)>)? /, '')
    .replace(/^\S+\.(cc|h):\d+ \w+ /, '')
    .replace(/^.* was false\. (?=\S)/s, '')
    .replace(/\s+/g, ' ');
}
