/** What a session declares: names, dtypes and shapes of its inputs and outputs. */
import { nameOfOnnxType, type ValueInfo } from '../tensor.ts';
import type { Pointer } from './calls.ts';
import type { Runtime } from './runtime.ts';

/** The three lists that a session has. An initializer that is also an input is a default, which a feed overrides. */
type List = 'Input' | 'Output' | 'OverridableInitializer';

/** What ONNX Runtime calls memory that the CPU reads. */
const MAIN_MEMORY = 'Cpu';

/** The inputs, first those that must be fed, then those with a default. */
export function readInputs(runtime: Runtime, session: Pointer): ValueInfo[] {
  return [...readList(runtime, session, 'Input'), ...readList(runtime, session, 'OverridableInitializer')];
}

export function readOutputs(runtime: Runtime, session: Pointer): ValueInfo[] {
  return readList(runtime, session, 'Output');
}

/** The names of the inputs or outputs that live on a device instead of in main memory. Inputs with a default are not listed. */
export function readDevicePlaces(
  { api, library, allocator }: Runtime,
  session: Pointer,
  side: 'Input' | 'Output',
): Set<string> {
  const infos: (Pointer | null)[] = new Array(api[`SessionGet${side}Count`](session)).fill(null);
  api[`SessionGetMemoryInfoFor${side}s`](session, infos, infos.length);
  const places = infos.map((info, index) => {
    const address = api[`SessionGet${side}Name`](session, index, allocator);
    const name = library.readText(address);
    api.AllocatorFree(allocator, address);
    // null: nothing in the graph uses it, so that it stays where it is
    return { name, memory: info === null ? MAIN_MEMORY : library.readText(api.MemoryInfoGetName(info)) };
  });
  return new Set(places.filter(({ memory }) => memory !== MAIN_MEMORY).map(({ name }) => name));
}

function readList(runtime: Runtime, session: Pointer, list: List): ValueInfo[] {
  const { api, library, allocator } = runtime;
  return Array.from({ length: api[`SessionGet${list}Count`](session) }, (_, index) => {
    const address = api[`SessionGet${list}Name`](session, index, allocator);
    const name = library.readText(address);
    api.AllocatorFree(allocator, address);
    const type = api[`SessionGet${list}TypeInfo`](session, index);
    try {
      return { name, optional: list === 'OverridableInitializer', ...readType(runtime, type) };
    } finally {
      api.ReleaseTypeInfo(type); // the tensor info lives inside it
    }
  });
}

function readType({ api, library }: Runtime, type: Pointer): Pick<ValueInfo, 'dtype' | 'shape'> {
  const info: Pointer | null = api.CastTypeInfoToTensorInfo(type);
  if (info === null) return { dtype: 'not a tensor', shape: [] };
  const sizes = new BigInt64Array(api.GetDimensionsCount(info));
  api.GetDimensions(info, sizes, sizes.length);
  const symbols: (Pointer | null)[] = new Array(sizes.length).fill(null);
  api.GetSymbolicDimensions(info, symbols, symbols.length);
  const symbolOf = (address: Pointer | null | undefined): string => (address && library.readText(address)) || '?';
  const shape = Array.from(sizes, (size, d) => (size >= 0n ? Number(size) : symbolOf(symbols[d])));
  return { dtype: nameOfOnnxType(api.GetTensorElementType(info)), shape };
}
