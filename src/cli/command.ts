/** How a command is declared. Its module is imported only when the command is used, so that --help takes no time. */
import type { Command } from 'commander';
import type { CommonOptions, Context } from './context.ts';

/**
 * What a command module exports as `command`: `declare` adds arguments, options and examples to a commander command
 * and names the action through `run`, which wraps it with the context.
 */
export interface CommandModule {
  /** False for a command whose output is for people only. @default true */
  readonly json?: false;
  declare(command: Command, run: Runner): void;
}

/** Turns an action that wants a context into commander's form. */
export type Runner = <A extends unknown[], O extends CommonOptions>(
  action: (context: Context, ...args: [...A, O]) => Promise<void>,
) => (...args: unknown[]) => Promise<void>;

/** An example that works as pasted, under the options in --help. */
export function example(command: Command, ...lines: string[]): void {
  command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`);
}
