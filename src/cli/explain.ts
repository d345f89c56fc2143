/** --explain: which operators ran where and what crossed, on stderr, and as `explain` in the JSON document. */
import path from 'node:path';
import type { Command } from 'commander';
import type { Explanation, Traffic } from '../engine/explanation.ts';
import type { OpenModelOptions } from '../pipelines/encoder.ts';
import { formatBytes } from '../util/format.ts';
import type { Context } from './context.ts';
import { formatTable } from './table.ts';

/** Operator types in the table; the others are added up. --json has all. */
const MAX_SHOWN = 20;

/** --explain */
export function explainOption(command: Command): Command {
  return command.option(
    '--explain',
    'say which operators ran where, and how many bytes crossed to and from the device',
  );
}

/**
 * Gives `use` the options with which models record themselves, and tells what they recorded once `use` has closed them.
 * The JSON document waits for that. Without `wanted` nothing is recorded.
 */
export async function explained<T>(
  context: Context,
  wanted: boolean | undefined,
  use: (options: Pick<OpenModelOptions, 'onExplanation'>) => Promise<T>,
): Promise<T> {
  if (!wanted) return use({});
  const { output } = context;
  const explanations: Explanation[] = [];
  output.holdDocument();
  try {
    return await use({ onExplanation: (explanation) => explanations.push(explanation) });
  } finally {
    for (const explanation of explanations.filter(({ runs }) => runs > 0))
      process.stderr.write(`${await textOf(context, explanation)}\n`);
    output.releaseDocument({ explain: explanations });
  }
}

// --- internal ---

async function textOf({ output, messages }: Context, explanation: Explanation): Promise<string> {
  const { graph, device, runs, recordedRuns, operators, traffic, lastRun } = explanation;
  const total = operators.reduce((sum, { microseconds }) => sum + microseconds, 0);
  const share = (microseconds: number): string => `${((100 * microseconds) / Math.max(1, total)).toFixed(1)}`;
  const rows = operators
    .slice(0, MAX_SHOWN)
    .map((use) => [use.device, use.operator, String(use.nodes), String(use.calls), share(use.microseconds)]);
  const rest = operators.slice(MAX_SHOWN);
  if (rest.length > 0) {
    const sum = (of: (use: (typeof rest)[number]) => number): number => rest.reduce((all, use) => all + of(use), 0);
    const [nodes, calls] = [sum((use) => use.nodes), sum((use) => use.calls)];
    rows.push([
      '',
      messages.explain.others(rest.length),
      `${nodes}`,
      `${calls}`,
      share(sum((use) => use.microseconds)),
    ]);
  }
  const lines = [
    messages.explain.title(path.basename(graph), device, runs, recordedRuns),
    await formatTable(output, messages.explain.columns, rows, { right: [2, 3, 4] }),
    messages.explain.crossed(perToken(traffic)),
  ];
  if (lastRun && recordedRuns > 1) lines.push(messages.explain.lastRun(lastRun.tokens, perToken(lastRun)));
  return lines.join('\n');
}

/** "12 B to the device, 51.2 kB back": for each token, or in all for graphs that read none. */
function perToken({ tokens, toDeviceBytes, toHostBytes }: Traffic): { toDevice: string; toHost: string } {
  const of = (bytes: number): string => formatBytes(Math.round(bytes / Math.max(1, tokens)));
  return { toDevice: of(toDeviceBytes), toHost: of(toHostBytes) };
}
