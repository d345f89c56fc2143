/** IoBinding: arrays of the caller bound once, read and written in place by every run. */
import { UsageError } from '../../util/errors.ts';
import { checkBound, checkComplete } from '../checks.ts';
import { runtimeFailure } from '../errors.ts';
import { Lifetime } from '../lifetime.ts';
import type { Binding, RunOptions } from '../session.ts';
import type { Tensor, ValueInfo } from '../tensor.ts';
import type { Pointer } from './calls.ts';
import type { Runtime } from './runtime.ts';
import { runTerminable } from './terminable.ts';
import { lendTensor } from './value.ts';

/** What a binding needs of its session. */
interface BindingContext {
  readonly runtime: Runtime;
  readonly session: Pointer;
  /** The graph's file, for errors. */
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly isOnCpu: boolean;
  /** Of the session, which must outlive every run. */
  readonly lifetime: Lifetime;
  readonly onDispose: () => void;
}

export class CapiBinding implements Binding {
  readonly #context: BindingContext;
  readonly #handle: Pointer;
  readonly #lifetime: Lifetime;
  // ONNX Runtime keeps bare addresses: these maps keep the arrays behind them from being collected
  readonly #boundInputs = new Map<string, Tensor>();
  readonly #boundOutputs = new Map<string, Tensor>();

  constructor(context: BindingContext) {
    this.#context = context;
    this.#handle = context.runtime.api.CreateIoBinding(context.session);
    this.#lifetime = new Lifetime(`a binding of ${context.name}`);
  }

  input(name: string, tensor: Tensor): this {
    this.#assertIdle();
    checkBound('input', this.#context.inputs, name, tensor);
    this.#bind('BindInput', name, tensor);
    this.#boundInputs.set(name, tensor);
    return this;
  }

  output(name: string, tensor: Tensor): this {
    this.#assertIdle();
    checkBound('output', this.#context.outputs, name, tensor);
    this.#bind('BindOutput', name, tensor);
    this.#boundOutputs.set(name, tensor);
    return this;
  }

  async run(options: RunOptions = {}): Promise<void> {
    this.#prepare();
    const { runtime, session, name, lifetime } = this.#context;
    const native = (runOptions: Pointer | null): Promise<unknown> =>
      runtime.api.RunWithBinding.async(session, runOptions, this.#handle);
    await this.#lifetime.use(() => lifetime.use(() => runTerminable(runtime, name, options.signal, native)));
  }

  runSync(): void {
    this.#prepare();
    const { runtime, session, name } = this.#context;
    try {
      runtime.api.RunWithBinding(session, null, this.#handle);
    } catch (error) {
      throw runtimeFailure('run', name, error);
    }
  }

  dispose(): Promise<void> {
    return this.#lifetime.dispose(() => {
      this.#context.runtime.api.ReleaseIoBinding(this.#handle);
      this.#boundInputs.clear();
      this.#boundOutputs.clear();
      this.#context.onDispose();
    });
  }

  #assertIdle(): void {
    this.#lifetime.assertAlive();
    this.#context.lifetime.assertAlive();
    if (this.#lifetime.running > 0)
      throw new UsageError(`a binding of ${this.#context.name} is running; wait for it, or use another binding`, {
        code: 'binding-busy',
      });
  }

  #prepare(): void {
    this.#assertIdle();
    checkComplete(this.#context.inputs, (name) => this.#boundInputs.has(name));
    if (this.#boundOutputs.size === 0) throw new UsageError('no output is bound', { code: 'no-output' });
    // a GPU got a copy of each input when it was bound; the CPU reads the arrays themselves
    if (!this.#context.isOnCpu) for (const [name, tensor] of this.#boundInputs) this.#bind('BindInput', name, tensor);
  }

  /** The binding holds a reference of its own to the value, so that ours can go at once. */
  #bind(how: 'BindInput' | 'BindOutput', name: string, tensor: Tensor): void {
    const { api } = this.#context.runtime;
    const value = lendTensor(this.#context.runtime, tensor);
    try {
      api[how](this.#handle, name, value.handle);
    } finally {
      api.ReleaseValue(value.handle);
    }
  }
}
