/**
 * Bound arrays through the JavaScript API: outputs that are passed in are written in place, as IoBinding does, though
 * onnxruntime-node also makes a copy of each (about 0.5 ms per MiB).
 */
import type * as Ort from 'onnxruntime-node';
import { UnsupportedError, UsageError } from '../../util/errors.ts';
import { checkBound, checkComplete } from '../checks.ts';
import { Lifetime } from '../lifetime.ts';
import type { Recording } from '../recording.ts';
import type { Binding, DeviceTensor, RunOptions } from '../session.ts';
import { elementsOf, type Tensor, type ValueInfo } from '../tensor.ts';
import { toOrtTensor } from './value.ts';

interface BindingContext {
  readonly ort: typeof Ort;
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** Present when the session records its runs. */
  readonly recording: Recording | undefined;
  run(
    feeds: Readonly<Record<string, Ort.Tensor>>,
    fetches: Readonly<Record<string, Ort.Tensor>>,
    signal?: AbortSignal,
  ): Promise<unknown>;
}

export class NodeBinding implements Binding {
  readonly #context: BindingContext;
  readonly #lifetime: Lifetime;
  readonly #boundInputs = new Map<string, Tensor>();
  readonly #boundOutputs = new Map<string, Tensor>();

  constructor(context: BindingContext) {
    this.#context = context;
    this.#lifetime = new Lifetime(`a binding of ${context.name}`);
  }

  /** Every array is handed over with each run, constant or not. */
  input(name: string, tensor: Tensor | DeviceTensor): this {
    this.#assertIdle();
    checkBound('input', this.#context.inputs, name, tensor);
    this.#boundInputs.set(name, requireArray(name, tensor));
    return this;
  }

  output(name: string, tensor: Tensor | DeviceTensor): this {
    this.#assertIdle();
    checkBound('output', this.#context.outputs, name, tensor);
    this.#boundOutputs.set(name, requireArray(name, tensor));
    return this;
  }

  async run(options: RunOptions = {}): Promise<void> {
    this.#assertIdle();
    checkComplete(this.#context.inputs, (name) => this.#boundInputs.has(name));
    if (this.#boundOutputs.size === 0) throw new UsageError('no output is bound', { code: 'no-output' });
    const { ort, run, recording } = this.#context;
    const toOrt = (tensors: ReadonlyMap<string, Tensor>): Record<string, Ort.Tensor> =>
      Object.fromEntries([...tensors].map(([name, tensor]) => [name, toOrtTensor(ort, tensor)]));
    const [inputs, outputs] = [toOrt(this.#boundInputs), toOrt(this.#boundOutputs)];
    await this.#lifetime.use(() => run(inputs, outputs, options.signal));
    recording?.recorder.add(this.#boundInputs, this.#boundOutputs, elementsOf(this.#boundInputs.get('input_ids')));
  }

  runSync(): void {
    throw new UnsupportedError('a synchronous run needs the C API of ONNX Runtime; this is its JavaScript API', {
      code: 'runtime-unavailable',
      hint: 'unset FSB_RUNTIME, or see `fsb doctor` for why the C API cannot be loaded',
    });
  }

  dispose(): Promise<void> {
    return this.#lifetime.dispose(() => {});
  }

  #assertIdle(): void {
    this.#lifetime.assertAlive();
    if (this.#lifetime.running > 0)
      throw new UsageError(`a binding of ${this.#context.name} is running; wait for it, or use another binding`, {
        code: 'binding-busy',
      });
  }
}

function requireArray(name: string, tensor: Tensor | DeviceTensor): Tensor {
  if ('data' in tensor) return tensor;
  throw new UsageError(`"${name}": a tensor on a device of another runtime cannot be bound`, {
    code: 'foreign-tensor',
  });
}
