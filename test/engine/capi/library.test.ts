import { describe, expect, it } from 'vitest';
import { OrtError } from '../../../src/engine/capi/calls.ts';
import { libraryPath, loadLibrary } from '../../../src/engine/capi/library.ts';
import { UnsupportedError } from '../../../src/util/errors.ts';
import { writeFiles } from '../graphs.ts';

const files = writeFiles({ 'libonnxruntime.so.1': new TextEncoder().encode('not a library') });

describe('the library of ONNX Runtime', () => {
  it('is the one inside onnxruntime-node, loaded once', async () => {
    const library = await loadLibrary();
    expect(library.file).toBe(libraryPath());
    expect(library.version).toBe('1.30.0');
    expect(await loadLibrary()).toBe(library);
  });

  it('that cannot be loaded is an error with the reason', async () => {
    const error = await loadLibrary(files['libonnxruntime.so.1']).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(UnsupportedError);
    expect(error).toMatchObject({ code: 'runtime-unavailable', exitCode: 8 });
    expect((error as Error).message).toContain(files['libonnxruntime.so.1']);
  });

  it('turns a status into an error with its code, its message and the function', async () => {
    const { api } = await loadLibrary();
    const options = api.CreateSessionOptions();
    let thrown: unknown;
    try {
      api.SetSessionGraphOptimizationLevel(options, 12345);
    } catch (error) {
      thrown = error;
    } finally {
      api.ReleaseSessionOptions(options);
    }
    expect(thrown).toBeInstanceOf(OrtError);
    expect(thrown).toMatchObject({
      code: 'INVALID_ARGUMENT',
      functionName: 'SetSessionGraphOptimizationLevel',
      message: expect.stringContaining('optimization'),
    });
  });
});
