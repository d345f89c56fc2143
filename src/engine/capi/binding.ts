/** IoBinding: arrays of the caller bound once, read and written in place by every run. */
import { UsageError } from '../../util/errors.ts';
import { checkBound, checkComplete } from '../checks.ts';
import { runtimeFailure } from '../errors.ts';
import { Lifetime } from '../lifetime.ts';
import type { Recording } from '../recording.ts';
import type { Binding, DeviceTensor, InputOptions, RunOptions } from '../session.ts';
import { elementsOf, type Tensor, type ValueInfo } from '../tensor.ts';
import type { Pointer } from './calls.ts';
import { CapiDeviceTensor } from './device-memory.ts';
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
  /** Present when the session records its runs. */
  readonly recording: Recording | undefined;
  /** Of the session, which must outlive every run. */
  readonly lifetime: Lifetime;
  readonly onDispose: () => void;
}

interface BoundInput {
  readonly tensor: Tensor | DeviceTensor;
  readonly constant: boolean;
}

export class CapiBinding implements Binding {
  readonly #context: BindingContext;
  readonly #handle: Pointer;
  readonly #lifetime: Lifetime;
  // ONNX Runtime keeps bare addresses: these maps keep the arrays behind them from being collected
  readonly #boundInputs = new Map<string, BoundInput>();
  readonly #boundOutputs = new Map<string, Tensor | DeviceTensor>();
  /** Inputs that ONNX Runtime does not know yet. */
  readonly #newInputs = new Set<string>();

  constructor(context: BindingContext) {
    this.#context = context;
    this.#handle = context.runtime.api.CreateIoBinding(context.session);
    this.#lifetime = new Lifetime(`a binding of ${context.name}`);
  }

  input(name: string, tensor: Tensor | DeviceTensor, { constant = false }: InputOptions = {}): this {
    this.#assertIdle();
    checkBound('input', this.#context.inputs, name, tensor);
    this.#boundInputs.set(name, { tensor, constant });
    this.#newInputs.add(name);
    return this;
  }

  output(name: string, tensor: Tensor | DeviceTensor): this {
    this.#assertIdle();
    checkBound('output', this.#context.outputs, name, tensor);
    this.#bind('BindOutput', name, tensor);
    this.#boundOutputs.set(name, tensor);
    return this;
  }

  async run(options: RunOptions = {}): Promise<void> {
    const sent = this.#prepare();
    const { runtime, session, name, lifetime } = this.#context;
    const native = (runOptions: Pointer | null): Promise<unknown> =>
      runtime.api.RunWithBinding.async(session, runOptions, this.#handle);
    await this.#lifetime.use(() => lifetime.use(() => runTerminable(runtime, name, options.signal, native)));
    this.#record(sent);
  }

  runSync(): void {
    const sent = this.#prepare();
    const { runtime, session, name } = this.#context;
    try {
      runtime.api.RunWithBinding(session, null, this.#handle);
    } catch (error) {
      throw runtimeFailure('run', name, error);
    }
    this.#record(sent);
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

  /** Checks, hands new inputs over, and returns the arrays that were: what a GPU got a copy of. */
  #prepare(): [string, Tensor][] {
    this.#assertIdle();
    if (this.#context.lifetime.running === 0) this.#context.recording?.stopWhenFull();
    checkComplete(this.#context.inputs, (name) => this.#boundInputs.has(name));
    if (this.#boundOutputs.size === 0) throw new UsageError('no output is bound', { code: 'no-output' });
    const sent: [string, Tensor][] = [];
    for (const [name, { tensor, constant }] of this.#boundInputs) {
      const isArray = !(tensor instanceof CapiDeviceTensor);
      // a GPU gets a copy of an array when it is bound, and has to get it anew; the CPU reads the array itself
      const isStale = isArray && !constant && !this.#context.isOnCpu;
      if (!isStale && !this.#newInputs.has(name)) continue;
      this.#bind('BindInput', name, tensor);
      if (isArray) sent.push([name, tensor as Tensor]);
    }
    this.#newInputs.clear();
    return sent;
  }

  #record(sent: [string, Tensor][]): void {
    const { recording } = this.#context;
    if (!recording) return;
    const received = [...this.#boundOutputs].filter(
      (output): output is [string, Tensor] => !(output[1] instanceof CapiDeviceTensor),
    );
    recording.recorder.add(sent, received, elementsOf(this.#boundInputs.get('input_ids')?.tensor));
  }

  /** The binding holds a reference of its own to the value, so that ours can go at once. */
  #bind(how: 'BindInput' | 'BindOutput', name: string, tensor: Tensor | DeviceTensor): void {
    const { api } = this.#context.runtime;
    if (tensor instanceof CapiDeviceTensor) {
      tensor.assertAlive();
      api[how](this.#handle, name, tensor.handle);
      return;
    }
    if (!('data' in tensor))
      throw new UsageError(`"${name}": a tensor on a device of another runtime cannot be bound`, {
        code: 'foreign-tensor',
      });
    const value = lendTensor(this.#context.runtime, tensor);
    try {
      api[how](this.#handle, name, value.handle);
    } finally {
      api.ReleaseValue(value.handle);
    }
  }
}
