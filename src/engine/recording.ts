/** ONNX Runtime's recording of a session together with our counts: from its opening to the explanation. */
import type { Explanation, RunRecorder } from './explanation.ts';
import type { ProfileFolder } from './profile.ts';

export class Recording {
  readonly recorder: RunRecorder;
  readonly #folder: ProfileFolder;
  readonly #stop: () => void;
  #isStopped = false;

  /** `stop` makes ONNX Runtime write its recording; it is called once. */
  constructor(folder: ProfileFolder, recorder: RunRecorder, stop: () => void) {
    this.#folder = folder;
    this.recorder = recorder;
    this.#stop = stop;
  }

  /** Ends a recording that has enough runs. To be called while nothing runs. */
  stopWhenFull(): void {
    if (this.recorder.isFull) this.#stopOnce();
  }

  /** Ends the recording, reads it and removes its file. */
  async explain(about: Pick<Explanation, 'graph' | 'device' | 'runtime'>): Promise<Explanation> {
    try {
      this.#stopOnce();
      return this.recorder.explain(about, await this.#folder.read());
    } finally {
      await this.#folder.remove();
    }
  }

  #stopOnce(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#stop();
  }
}
