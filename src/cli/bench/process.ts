/** Runs a job in a process of its own. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { FsbError, ResourceError } from '../../util/errors.ts';
import type { Answer, Job, ReportedError } from './protocol.ts';

/** The worker lies beside this module, built or not. */
const WORKER = fileURLToPath(import.meta.url).replace(/process(\.\w+)$/, 'worker$1');

/** An error of the worker, with the exit code that it had there. */
class WorkerError extends FsbError {
  override readonly exitCode: number;

  constructor({ message, code, exitCode, hint }: ReportedError) {
    super(message, { code, hint });
    this.exitCode = exitCode;
  }
}

/** The answer of a fresh process. Rejects with the worker's error, or with signal.reason after ending the process. */
export function runJob<K extends Job['kind']>(
  job: Job & { readonly kind: K },
  signal: AbortSignal,
): Promise<Extract<Answer, { kind: K }>> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = fork(WORKER, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const onAbort = (): void => void child.kill('SIGKILL');
    signal.addEventListener('abort', onAbort);
    let answer: Answer | undefined;
    child.on('message', (message) => {
      answer = message as Answer;
    });
    child.on('error', reject);
    child.on('close', (code, killedBy) => {
      signal.removeEventListener('abort', onAbort);
      if (signal.aborted) reject(signal.reason);
      else if (answer === undefined) reject(died(code, killedBy));
      else if (answer.kind === 'error') reject(new WorkerError(answer.error));
      else resolve(answer as Extract<Answer, { kind: K }>);
    });
    child.send(job);
  });
}

// --- internal ---

function died(code: number | null, signal: NodeJS.Signals | null): Error {
  return new ResourceError(`the measuring process ended with ${signal ?? `exit code ${code}`} before it answered`, {
    code: 'worker-died',
    hint: 'a process that is killed has most often run out of memory: try a smaller --dtype or --batch',
  });
}
