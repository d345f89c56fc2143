/**
 * The functions of ONNX Runtime's C API that fsb calls. OrtApi (onnxruntime_c_api.h) is one struct of function
 * pointers that only ever grows at its end, so that a position in it holds for ever.
 */

/** The lowest API version that has every function below; ONNX Runtime 1.30 offers 1 to 30. */
export const API_VERSION = 24;

/**
 * Kinds of arguments: how C spells them (for koffi). ORTCHAR_T, the type of paths, is UTF-16 on Windows.
 * The `out` kinds come last in a function and are what the wrapped function returns.
 */
export const ARGUMENTS = {
  pointer: 'void*',
  int: 'int',
  size: 'size_t',
  text: 'const char*',
  path: process.platform === 'win32' ? 'const char16_t*' : 'const char*',
  texts: 'const char**',
  pointers: 'void**',
  /** An array of pointers that the function fills or replaces. */
  filled: '_Inout_ void**',
  /** A BigInt64Array, read or filled in place. */
  int64s: 'int64_t*',
  outPointer: '_Out_ void**',
  outSize: '_Out_ size_t*',
  outInt: '_Out_ int*',
} as const;

export type Argument = keyof typeof ARGUMENTS;

/** What a function gives back. A status is null, or an error that the caller has to release. */
export const RESULTS = { status: 'void*', int: 'int', text: 'const char*', nothing: 'void' } as const;

export type Result = keyof typeof RESULTS;

/** Position in OrtApi, arguments, result. */
type Entry = readonly [index: number, args: readonly Argument[], result: Result];

export const FUNCTIONS = {
  // errors and the process
  GetErrorCode: [1, ['pointer'], 'int'],
  GetErrorMessage: [2, ['pointer'], 'text'],
  ReleaseStatus: [93, ['pointer'], 'nothing'],
  CreateEnv: [3, ['int', 'text', 'outPointer'], 'status'],
  GetAvailableProviders: [125, ['outPointer', 'outInt'], 'status'],
  ReleaseAvailableProviders: [126, ['pointer', 'int'], 'status'],

  // session options
  CreateSessionOptions: [10, ['outPointer'], 'status'],
  ReleaseSessionOptions: [100, ['pointer'], 'nothing'],
  SetSessionLogSeverityLevel: [22, ['pointer', 'int'], 'status'],
  SetSessionGraphOptimizationLevel: [23, ['pointer', 'int'], 'status'],
  SetIntraOpNumThreads: [24, ['pointer', 'int'], 'status'],
  AddSessionConfigEntry: [130, ['pointer', 'text', 'text'], 'status'],
  EnableProfiling: [14, ['pointer', 'path'], 'status'],
  SessionEndProfiling: [110, ['pointer', 'pointer', 'outPointer'], 'status'],

  // execution providers: CUDA has functions of its own, the others go by name
  SessionOptionsAppendExecutionProvider: [216, ['pointer', 'text', 'texts', 'texts', 'size'], 'status'],
  CreateCUDAProviderOptions: [205, ['outPointer'], 'status'],
  UpdateCUDAProviderOptions: [206, ['pointer', 'texts', 'texts', 'size'], 'status'],
  SessionOptionsAppendExecutionProvider_CUDA_V2: [204, ['pointer', 'pointer'], 'status'],
  ReleaseCUDAProviderOptions: [208, ['pointer'], 'nothing'],

  // sessions and what they declare
  CreateSession: [7, ['pointer', 'path', 'pointer', 'outPointer'], 'status'],
  CreateSessionFromArray: [8, ['pointer', 'pointer', 'size', 'pointer', 'outPointer'], 'status'],
  ReleaseSession: [95, ['pointer'], 'nothing'],
  SessionGetInputCount: [30, ['pointer', 'outSize'], 'status'],
  SessionGetOutputCount: [31, ['pointer', 'outSize'], 'status'],
  SessionGetOverridableInitializerCount: [32, ['pointer', 'outSize'], 'status'],
  SessionGetInputTypeInfo: [33, ['pointer', 'size', 'outPointer'], 'status'],
  SessionGetOutputTypeInfo: [34, ['pointer', 'size', 'outPointer'], 'status'],
  SessionGetOverridableInitializerTypeInfo: [35, ['pointer', 'size', 'outPointer'], 'status'],
  SessionGetInputName: [36, ['pointer', 'size', 'pointer', 'outPointer'], 'status'],
  SessionGetOutputName: [37, ['pointer', 'size', 'pointer', 'outPointer'], 'status'],
  SessionGetOverridableInitializerName: [38, ['pointer', 'size', 'pointer', 'outPointer'], 'status'],
  CastTypeInfoToTensorInfo: [55, ['pointer', 'outPointer'], 'status'],
  GetTensorElementType: [60, ['pointer', 'outInt'], 'status'],
  GetDimensionsCount: [61, ['pointer', 'outSize'], 'status'],
  GetDimensions: [62, ['pointer', 'int64s', 'size'], 'status'],
  GetSymbolicDimensions: [63, ['pointer', 'filled', 'size'], 'status'],
  ReleaseTypeInfo: [98, ['pointer'], 'nothing'],

  // which provider has which nodes
  Session_GetEpGraphAssignmentInfo: [407, ['pointer', 'outPointer', 'outSize'], 'status'],
  EpAssignedSubgraph_GetEpName: [408, ['pointer', 'outPointer'], 'status'],
  EpAssignedSubgraph_GetNodes: [409, ['pointer', 'outPointer', 'outSize'], 'status'],
  EpAssignedNode_GetOperatorType: [412, ['pointer', 'outPointer'], 'status'],

  // memory and values
  GetAllocatorWithDefaultOptions: [78, ['outPointer'], 'status'],
  AllocatorFree: [76, ['pointer', 'pointer'], 'status'],
  CreateCpuMemoryInfo: [69, ['int', 'int', 'outPointer'], 'status'],
  CreateTensorWithDataAsOrtValue: [49, ['pointer', 'pointer', 'size', 'int64s', 'size', 'int', 'outPointer'], 'status'],
  GetTensorTypeAndShape: [65, ['pointer', 'outPointer'], 'status'],
  ReleaseTensorTypeAndShapeInfo: [99, ['pointer'], 'nothing'],
  GetTensorMutableData: [51, ['pointer', 'outPointer'], 'status'],
  CreateMemoryInfo: [68, ['text', 'int', 'int', 'int', 'outPointer'], 'status'],
  MemoryInfoGetName: [71, ['pointer', 'outPointer'], 'status'],
  ReleaseMemoryInfo: [94, ['pointer'], 'nothing'],
  CreateAllocator: [131, ['pointer', 'pointer', 'outPointer'], 'status'],
  ReleaseAllocator: [132, ['pointer'], 'nothing'],
  CreateTensorAsOrtValue: [48, ['pointer', 'int64s', 'size', 'int', 'outPointer'], 'status'],
  SessionGetMemoryInfoForInputs: [380, ['pointer', 'filled', 'size'], 'status'],
  SessionGetMemoryInfoForOutputs: [381, ['pointer', 'filled', 'size'], 'status'],
  ReleaseValue: [96, ['pointer'], 'nothing'],

  // running
  CreateRunOptions: [39, ['outPointer'], 'status'],
  RunOptionsSetTerminate: [46, ['pointer'], 'status'],
  ReleaseRunOptions: [97, ['pointer'], 'nothing'],
  Run: [9, ['pointer', 'pointer', 'texts', 'pointers', 'size', 'texts', 'size', 'filled'], 'status'],
  CreateIoBinding: [134, ['pointer', 'outPointer'], 'status'],
  BindInput: [136, ['pointer', 'text', 'pointer'], 'status'],
  BindOutput: [137, ['pointer', 'text', 'pointer'], 'status'],
  RunWithBinding: [133, ['pointer', 'pointer', 'pointer'], 'status'],
  ReleaseIoBinding: [135, ['pointer'], 'nothing'],
} as const satisfies Record<string, Entry>;

export type FunctionName = keyof typeof FUNCTIONS;
