/** The types a model can be stored in. */
import { UsageError } from '../util/errors.ts';

/** Suffix of the files (the names that other ONNX clients look for) and the stored type of matrices. */
export const MODEL_DTYPES = {
  fp32: { suffix: '', weights: 'float32' },
  fp16: { suffix: '_fp16', weights: 'float16' },
} as const;

export type WritableDtype = keyof typeof MODEL_DTYPES;

/** Parses the value of --dtype. */
export function parseDtype(value: string): WritableDtype {
  if (Object.hasOwn(MODEL_DTYPES, value)) return value as WritableDtype;
  throw new UsageError(`--dtype ${value}: expected one of ${Object.keys(MODEL_DTYPES).join(', ')}`, {
    code: 'unknown-dtype',
  });
}
