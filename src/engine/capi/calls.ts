/**
 * The C functions as JavaScript functions with types: `out` arguments become the result, a status that is not OK is
 * thrown. The types are computed from the table, so that a wrong argument does not compile.
 */
import { type Argument, FUNCTIONS, type FunctionName, type Result } from './functions.ts';

/** An address in the process. */
export type Pointer = bigint;

/** What JavaScript passes for each kind of argument that goes in. */
interface Inputs {
  pointer: Pointer | ArrayBufferView | null;
  int: number;
  size: number;
  text: string;
  path: string;
  texts: readonly string[];
  pointers: readonly Pointer[];
  filled: (Pointer | null)[];
  int64s: BigInt64Array;
}

/** What JavaScript gets for each kind that comes out; a count is a number, being far below 2^53. */
interface Outputs {
  outPointer: Pointer;
  outSize: number;
  outInt: number;
}

interface Results {
  int: number;
  text: string;
  nothing: undefined;
}

type InputsOf<A extends readonly Argument[]> = A extends readonly [
  infer First,
  ...infer Rest extends readonly Argument[],
]
  ? First extends keyof Inputs
    ? [Inputs[First], ...InputsOf<Rest>]
    : InputsOf<Rest>
  : [];

type OutputsOf<A extends readonly Argument[]> = A extends readonly [
  infer First,
  ...infer Rest extends readonly Argument[],
]
  ? First extends keyof Outputs
    ? [Outputs[First], ...OutputsOf<Rest>]
    : OutputsOf<Rest>
  : [];

/** No output: undefined; one: its value; several: a tuple. */
type Unwrapped<T extends unknown[]> = T extends [] ? undefined : T extends [infer Only] ? Only : T;

type ReturnOf<A extends readonly Argument[], R extends Result> = R extends keyof Results
  ? Results[R]
  : Unwrapped<OutputsOf<A>>;

/** Runs here; `async` runs on a thread of libuv's pool. Both throw OrtError. */
interface Call<A extends readonly Argument[], R extends Result> {
  (...args: InputsOf<A>): ReturnOf<A, R>;
  async(...args: InputsOf<A>): Promise<ReturnOf<A, R>>;
}

export type OrtApi = {
  readonly [N in FunctionName]: Call<(typeof FUNCTIONS)[N][1], (typeof FUNCTIONS)[N][2]>;
};

/** OrtErrorCode, by position. */
const ERROR_CODES = [
  'OK',
  'FAIL',
  'INVALID_ARGUMENT',
  'NO_SUCHFILE',
  'NO_MODEL',
  'ENGINE_ERROR',
  'RUNTIME_EXCEPTION',
  'INVALID_PROTOBUF',
  'MODEL_LOADED',
  'NOT_IMPLEMENTED',
  'INVALID_GRAPH',
  'EP_FAIL',
  'MODEL_LOAD_CANCELED',
  'MODEL_REQUIRES_COMPILATION',
  'NOT_FOUND',
] as const;

/** A status of ONNX Runtime that is not OK. Stays inside the engine: sessions translate it (errors.ts). */
export class OrtError extends Error {
  override readonly name = 'OrtError';
  readonly code: string;
  readonly functionName: FunctionName;

  constructor(functionName: FunctionName, code: number, message: string) {
    super(message);
    this.functionName = functionName;
    this.code = ERROR_CODES[code] ?? `error ${code}`;
  }
}

/** A C function as koffi gives it: outputs are one-element arrays that it fills; `async` ends with a callback. */
export type NativeFunction = ((...args: unknown[]) => unknown) & { async(...args: unknown[]): void };

/** Wraps every function of the table; `native` gives the C function behind a name. */
export function wrapFunctions(native: (name: FunctionName) => NativeFunction): OrtApi {
  const [getCode, getMessage, release] = [native('GetErrorCode'), native('GetErrorMessage'), native('ReleaseStatus')];
  const check = (name: FunctionName, status: unknown): void => {
    if (status === null) return;
    const error = new OrtError(name, getCode(status) as number, getMessage(status) as string);
    release(status);
    throw error;
  };
  const wrap = (name: FunctionName): unknown => {
    const call = native(name);
    const [, args, kind] = FUNCTIONS[name];
    const outputCount = args.filter((argument) => argument.startsWith('out')).length;
    // an out argument is a one-element array that koffi fills
    const newCells = (): unknown[][] => Array.from({ length: outputCount }, () => [null]);
    const finish = (result: unknown, cells: unknown[][]): unknown => {
      if (kind !== 'status') return result;
      check(name, result);
      return outputCount > 1 ? cells.map(([value]) => value) : cells[0]?.[0];
    };
    const here = (...inputs: unknown[]): unknown => {
      const cells = newCells();
      return finish(call(...inputs, ...cells), cells);
    };
    const async = (...inputs: unknown[]): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const cells = newCells();
        call.async(...inputs, ...cells, (error: unknown, result: unknown) => {
          try {
            if (error) throw error;
            resolve(finish(result, cells));
          } catch (failure) {
            reject(failure);
          }
        });
      });
    return Object.assign(here, { async });
  };
  const names = Object.keys(FUNCTIONS) as FunctionName[];
  return Object.fromEntries(names.map((name) => [name, wrap(name)])) as OrtApi;
}
