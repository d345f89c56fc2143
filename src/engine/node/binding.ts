/**
 * Bound arrays through the JavaScript API: outputs that are passed in are written in place, as IoBinding does, though
 * onnxruntime-node also makes a copy of each (about 0.5 ms per MiB).
 */
import type * as Ort from 'onnxruntime-node';
import { UnsupportedError, UsageError } from '../../util/errors.ts';
import { checkBound, checkComplete } from '../checks.ts';
import { Lifetime } from '../lifetime.ts';
import type { Binding, RunOptions } from '../session.ts';
import type { Tensor, ValueInfo } from '../tensor.ts';
import { toOrtTensor } from './value.ts';

interface BindingContext {
  readonly ort: typeof Ort;
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  run(
    feeds: Readonly<Record<string, Ort.Tensor>>,
    fetches: Readonly<Record<string, Ort.Tensor>>,
    signal?: AbortSignal,
  ): Promise<unknown>;
}

export class NodeBinding implements Binding {
  readonly #context: BindingContext;
  readonly #lifetime: Lifetime;
  readonly #boundInputs: Record<string, Ort.Tensor> = {};
  readonly #boundOutputs: Record<string, Ort.Tensor> = {};

  constructor(context: BindingContext) {
    this.#context = context;
    this.#lifetime = new Lifetime(`a binding of ${context.name}`);
  }

  input(name: string, tensor: Tensor): this {
    this.#assertIdle();
    checkBound('input', this.#context.inputs, name, tensor);
    this.#boundInputs[name] = toOrtTensor(this.#context.ort, tensor);
    return this;
  }

  output(name: string, tensor: Tensor): this {
    this.#assertIdle();
    checkBound('output', this.#context.outputs, name, tensor);
    this.#boundOutputs[name] = toOrtTensor(this.#context.ort, tensor);
    return this;
  }

  async run(options: RunOptions = {}): Promise<void> {
    this.#assertIdle();
    checkComplete(this.#context.inputs, (name) => Object.hasOwn(this.#boundInputs, name));
    if (Object.keys(this.#boundOutputs).length === 0) throw new UsageError('no output is bound', { code: 'no-output' });
    await this.#lifetime.use(() => this.#context.run(this.#boundInputs, this.#boundOutputs, options.signal));
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
