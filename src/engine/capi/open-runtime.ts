/** The one runtime of the process: loaded when the first session needs it, tested, then shared. */
import { UnsupportedError } from '../../util/errors.ts';
import { loadLibrary } from './library.ts';
import { createRuntime, type Runtime } from './runtime.ts';
import { testLibrary } from './self-test.ts';

let opened: Promise<Runtime> | undefined;

/**
 * The C API, ready. Throws UnsupportedError when it cannot be loaded or fails its self-test (a few milliseconds, once
 * per process); a failure is remembered too, since nothing here changes while the process lives.
 */
export function openRuntime(): Promise<Runtime> {
  opened ??= loadAndTest();
  return opened;
}

async function loadAndTest(): Promise<Runtime> {
  const library = await loadLibrary();
  const { failure } = await testLibrary(library);
  if (failure)
    throw new UnsupportedError(`the C API of ONNX Runtime fails its self-test: ${failure}`, {
      code: 'runtime-unavailable',
      hint: 'fsb needs the versions of koffi and onnxruntime-node that it was installed with; `fsb doctor` has the details',
    });
  return createRuntime(library);
}
