/** A process that measures one thing and ends: its load time starts from nothing, its peak memory is its own. */
import { runTrial } from '../../bench/trial.ts';
import { EXIT_CODES, FsbError, messageOf } from '../../util/errors.ts';
import { measureLimits } from './limits.ts';
import type { Answer, Job } from './protocol.ts';

process.once('message', (job: Job) => {
  answer(job).then(
    (result) => process.send!(result, () => process.disconnect()),
    (error: unknown) =>
      process.send!({ kind: 'error', error: reported(error) } satisfies Answer, () => process.disconnect()),
  );
});

async function answer(job: Job): Promise<Answer> {
  if (job.kind === 'limits') return { kind: 'limits', limits: await measureLimits(job.threads) };
  const warnings: string[] = [];
  const trial = await runTrial(job.folder, { ...job, onWarning: (message) => warnings.push(message) });
  return { kind: 'model', trial: { ...trial, peakRssBytes: process.resourceUsage().maxRSS * 1024 }, warnings };
}

function reported(error: unknown) {
  if (!(error instanceof FsbError))
    return { message: messageOf(error), code: 'internal', exitCode: EXIT_CODES.internal, hint: undefined };
  const { message, code, exitCode, hint } = error;
  return { message, code, exitCode, hint };
}
