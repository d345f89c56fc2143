/** What a session did: which operators ran where, and how many bytes crossed between main memory and its device. */
import type { OperatorUse, Profile } from './profile.ts';
import type { RuntimeName } from './session.ts';
import type { Tensor } from './tensor.ts';

/** Bytes of one or more runs. */
export interface Traffic {
  /** Elements of the input input_ids: tokens read, padding included. 0 for graphs without such an input. */
  readonly tokens: number;
  /** From main memory to the device: inputs, and values that the graph hands from a CPU operator to the device. */
  readonly toDeviceBytes: number;
  /** From the device to main memory: outputs, and values for CPU operators. */
  readonly toHostBytes: number;
}

export interface Explanation {
  /** The graph's file. */
  readonly graph: string;
  readonly device: string;
  readonly runtime: RuntimeName;
  /** Runs since the session opened. */
  readonly runs: number;
  /** The first runs, which were recorded: everything below is about them. */
  readonly recordedRuns: number;
  /** By time, longest first. */
  readonly operators: readonly OperatorUse[];
  readonly traffic: Traffic;
  /** The last recorded run: of a decoder, a single step. Undefined when nothing ran. */
  readonly lastRun: Traffic | undefined;
}

/**
 * A recording of ONNX Runtime grows by about a kilobyte for each operator that runs; a 24-layer model has some 300 of
 * them, so that so many runs are 30 MB.
 */
export const MAX_RECORDED_RUNS = 100;

/** Whether a value lives on the device. */
export type IsOnDevice = (name: string) => boolean;

/** Counts runs and their bytes. */
export class RunRecorder {
  readonly #isInputOnDevice: IsOnDevice;
  readonly #isOutputOnDevice: IsOnDevice;
  readonly #recorded: Traffic[] = [];
  #runs = 0;

  constructor(isInputOnDevice: IsOnDevice, isOutputOnDevice: IsOnDevice) {
    this.#isInputOnDevice = isInputOnDevice;
    this.#isOutputOnDevice = isOutputOnDevice;
  }

  /** True when no further run is recorded. */
  get isFull(): boolean {
    return this.#recorded.length >= MAX_RECORDED_RUNS;
  }

  /** Notes a run with what went in from, and came out to, arrays of JavaScript; `tokens`: elements of input_ids. */
  add(inputs: Iterable<readonly [string, Tensor]>, outputs: Iterable<readonly [string, Tensor]>, tokens: number): void {
    this.#runs++;
    if (this.isFull) return;
    this.#recorded.push({
      tokens,
      toDeviceBytes: sizeOf(inputs, this.#isInputOnDevice),
      toHostBytes: sizeOf(outputs, this.#isOutputOnDevice),
    });
  }

  /** Puts the counts and ONNX Runtime's recording together. */
  explain(about: Pick<Explanation, 'graph' | 'device' | 'runtime'>, profile: Profile): Explanation {
    const runs = this.#recorded.map((run, i) => {
      const { toDeviceBytes = 0, toHostBytes = 0 } = profile.copies[i] ?? {};
      return { ...run, toDeviceBytes: run.toDeviceBytes + toDeviceBytes, toHostBytes: run.toHostBytes + toHostBytes };
    });
    const sum = (of: (run: Traffic) => number): number => runs.reduce((total, run) => total + of(run), 0);
    return {
      ...about,
      runs: this.#runs,
      recordedRuns: runs.length,
      operators: profile.operators,
      traffic: {
        tokens: sum((run) => run.tokens),
        toDeviceBytes: sum((run) => run.toDeviceBytes),
        toHostBytes: sum((run) => run.toHostBytes),
      },
      lastRun: runs.at(-1),
    };
  }
}

// --- internal ---

function sizeOf(values: Iterable<readonly [string, Tensor]>, isOnDevice: IsOnDevice): number {
  let bytes = 0;
  for (const [name, tensor] of values) if (isOnDevice(name)) bytes += tensor.data.byteLength;
  return bytes;
}
