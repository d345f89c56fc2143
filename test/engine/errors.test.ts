import { describe, expect, it } from 'vitest';
import { parseDevice } from '../../src/engine/device.ts';
import { loadFailure, readable, runtimeFailure } from '../../src/engine/errors.ts';
import { EXIT_CODES, UsageError } from '../../src/util/errors.ts';

// messages as ONNX Runtime 1.30.0 wrote them
const MESSAGES = {
  noGraph:
    'Load model from m.onnx failed:/onnxruntime_src/onnxruntime/core/graph/model.cc:187 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::PathString&, const onnxruntime::IOnnxRuntimeOpSchemaRegistryList*, const onnxruntime::logging::Logger&, const onnxruntime::ModelOptions&) ModelProto does not have a graph.\n',
  adapter:
    '/onnxruntime_src/onnxruntime/core/providers/webgpu/webgpu_context.cc:136 onnxruntime::webgpu::WebGpuContext::Initialize(const onnxruntime::webgpu::WebGpuContextConfig&)::<lambda()> adapter_result.status == wgpu::RequestAdapterStatus::Success was false. Failed to get a WebGPU adapter: No supported adapters\n',
  allocation:
    "Non-zero status code returned while running Expand node. Name:'/bert/Expand' Status Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:360 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Failed to allocate memory for requested buffer of size 4398046511104\n",
  shapes:
    "Non-zero status code returned while running MatMul node. Name:'' Status Message: matmul_helper.h:59 Compute MatMul dimension mismatch",
  kernel: "Could not find an implementation for DynamicQuantizeMatMul(1) node with name '/layer.0/MatMul'",
};

describe('readable', () => {
  it.each([
    [MESSAGES.noGraph, 'ModelProto does not have a graph.'],
    [MESSAGES.adapter, 'Failed to get a WebGPU adapter: No supported adapters'],
    [
      MESSAGES.allocation,
      'Failed to allocate memory for requested buffer of size 4398046511104 (Expand node "/bert/Expand")',
    ],
    [MESSAGES.shapes, 'MatMul dimension mismatch (MatMul node "")'],
    ['Exiting due to terminate flag being set to true.', 'Exiting due to terminate flag being set to true.'],
    ['', ''],
  ])('keeps the reason and the node: %#', (message, expected) => {
    expect(readable(message)).toBe(expected);
  });
});

describe('runtimeFailure', () => {
  it.each([
    ['load', MESSAGES.noGraph, 'malformed-model', EXIT_CODES.integrity],
    ['load', MESSAGES.kernel, 'unsupported-operator', EXIT_CODES.unsupported],
    ['load', 'std::bad_alloc', 'out-of-memory', EXIT_CODES.resources],
    ['run', MESSAGES.allocation, 'out-of-memory', EXIT_CODES.resources],
    ['run', MESSAGES.shapes, 'inputs-rejected', EXIT_CODES.usage],
    ['run', 'CUDA failure 700: an illegal memory access was encountered', 'device-failed', EXIT_CODES.unsupported],
    ['run', 'something new', 'runtime-failed', EXIT_CODES.internal],
    ['run', '', 'runtime-failed', EXIT_CODES.internal],
  ] as const)('%s: %s → %s', (phase, message, code, exitCode) => {
    const cause = new Error(message);
    expect(runtimeFailure(phase, 'model.onnx', cause)).toMatchObject({
      code,
      exitCode,
      cause,
      message: expect.stringContaining('model.onnx'),
    });
  });

  it('leaves our own errors alone', () => {
    const error = new UsageError('no', { code: 'no' });
    expect(runtimeFailure('run', 'model.onnx', error)).toBe(error);
  });
});

describe('loadFailure', () => {
  it("makes a device's failure an error about the device", () => {
    expect(loadFailure('model.onnx', parseDevice('webgpu'), new Error(MESSAGES.adapter))).toMatchObject({
      code: 'device-unavailable',
      exitCode: EXIT_CODES.unsupported,
      message: 'device webgpu is not available: Failed to get a WebGPU adapter: No supported adapters',
    });
  });

  it('leaves the rest about the model', () => {
    expect(loadFailure('model.onnx', parseDevice('webgpu'), new Error(MESSAGES.noGraph))).toMatchObject({
      code: 'malformed-model',
    });
  });
});
