/** Element types as one table: width, and what each is called by ONNX, torch and safetensors. */

interface DtypeEntry {
  readonly bytes: number;
  /** TensorProto.DataType, onnx/onnx.proto. */
  readonly onnx: number;
  /** torch.<name>Storage in a pickle; undefined when no storage class has this type. */
  readonly torchStorage?: string;
  /** `dtype` in a safetensors header. */
  readonly safetensors?: string;
}

export const DTYPES = {
  float32: { bytes: 4, onnx: 1, torchStorage: 'FloatStorage', safetensors: 'F32' },
  float64: { bytes: 8, onnx: 11, torchStorage: 'DoubleStorage', safetensors: 'F64' },
  float16: { bytes: 2, onnx: 10, torchStorage: 'HalfStorage', safetensors: 'F16' },
  bfloat16: { bytes: 2, onnx: 16, torchStorage: 'BFloat16Storage', safetensors: 'BF16' },
  int64: { bytes: 8, onnx: 7, torchStorage: 'LongStorage', safetensors: 'I64' },
  int32: { bytes: 4, onnx: 6, torchStorage: 'IntStorage', safetensors: 'I32' },
  int16: { bytes: 2, onnx: 5, torchStorage: 'ShortStorage', safetensors: 'I16' },
  int8: { bytes: 1, onnx: 3, torchStorage: 'CharStorage', safetensors: 'I8' },
  uint8: { bytes: 1, onnx: 2, torchStorage: 'ByteStorage', safetensors: 'U8' },
  bool: { bytes: 1, onnx: 9, torchStorage: 'BoolStorage', safetensors: 'BOOL' },
} as const satisfies Record<string, DtypeEntry>;

export type Dtype = keyof typeof DTYPES;

/** The types that hold weights. */
export type FloatDtype = 'float32' | 'float64' | 'float16' | 'bfloat16';

/** True for types that hold weights; the others are buffers such as position_ids and causal masks. */
export function isFloat(dtype: Dtype): dtype is FloatDtype {
  return dtype.includes('float');
}

/** The type that a name stands for in one of the outside vocabularies, or undefined. */
export function findDtype(vocabulary: 'torchStorage' | 'safetensors', name: string): Dtype | undefined {
  return (Object.keys(DTYPES) as Dtype[]).find((dtype) => (DTYPES[dtype] as DtypeEntry)[vocabulary] === name);
}
