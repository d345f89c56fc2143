/** Which of fsb eval's options its actions read: one that would be ignored is an error. */
import type { Command } from 'commander';
import { UsageError } from '../../util/errors.ts';

const MODEL_OPTIONS = ['task', 'model', 'device', 'threads', 'dtype', 'auto', 'explain'];
const ANSWER_OPTIONS = [
  'split',
  'method',
  'lmForm',
  'data',
  'seed',
  'batchTokens',
  'labelOrder',
  'trainSplit',
  'trainLimit',
  'pooling',
  'out',
  'resume',
  'limit',
  'shard',
];
const REPORT_OPTIONS = ['format', 'markdown', 'junit', 'report', 'minAccuracy'];

/** Which options each action reads, beside those of every command. */
const READ: Readonly<Record<string, readonly string[]>> = {
  run: [...MODEL_OPTIONS, ...ANSWER_OPTIONS, ...REPORT_OPTIONS, 'folds'],
  submission: [...MODEL_OPTIONS, ...ANSWER_OPTIONS, 'submission', 'benchmark'],
  merge: [...REPORT_OPTIONS, 'task', 'out'],
  lint: ['task', 'benchmark', 'data', 'split'],
  compare: ['compare'],
};

/** Throws UsageError for an option that was given and that the action would ignore. */
export function requireRead(command: Command, action: string): void {
  const read = READ[action];
  if (!read) return; // no such action: said by dispatch
  const everywhere = ['json', 'quiet', 'debug'];
  const ignored = command.options.filter((option) => {
    const name = option.attributeName();
    return command.getOptionValueSource(name) === 'cli' && !read.includes(name) && !everywhere.includes(name);
  });
  if (ignored.length === 0) return;
  const flags = ignored.map(({ long }) => long).join(', ');
  const doing = { run: 'a run', submission: 'a run for --submission', compare: 'a comparison' }[action] ?? action;
  throw new UsageError(`fsb eval: ${flags} has no meaning for ${doing}`, {
    code: 'option-not-read',
    hint: 'leave it out; what it does is in fsb eval --help',
  });
}
