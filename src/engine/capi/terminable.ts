/** A native run that an AbortSignal can end. */
import { runtimeFailure } from '../errors.ts';
import type { Pointer } from './calls.ts';
import type { Runtime } from './runtime.ts';

/**
 * Calls `run` with fresh run options when there is a signal (a termination flag stays set, options are never used
 * again). Aborting sets the flag, which ONNX Runtime reads before every node. Rejects with `signal.reason`, or with
 * the errors of runtimeFailure; `name` is the graph's file.
 */
export function runTerminable(
  { api, calls }: Runtime,
  name: string,
  signal: AbortSignal | undefined,
  run: (runOptions: Pointer | null) => Promise<unknown>,
): Promise<void> {
  return calls.use(async () => {
    const options = signal ? api.CreateRunOptions() : null;
    const terminate = (): void => api.RunOptionsSetTerminate(options);
    signal?.addEventListener('abort', terminate, { once: true });
    try {
      await run(options);
    } catch (error) {
      signal?.throwIfAborted();
      throw runtimeFailure('run', name, error);
    } finally {
      signal?.removeEventListener('abort', terminate);
      if (options !== null) api.ReleaseRunOptions(options);
    }
    signal?.throwIfAborted();
  }, signal);
}
