/** Dispatch: finds the command, runs it, and is the only place that sets the exit code. */
import { Command, CommanderError } from 'commander';
import { readEnvironment } from '../util/environment.ts';
import { EXIT_CODES, FsbError, InterruptedError } from '../util/errors.ts';
import { FSB_VERSION } from '../util/version.ts';
import type { CommandModule, Runner } from './command.ts';
import { COMMANDS } from './commands/index.ts';
import { type CommonOptions, Context } from './context.ts';
import { messagesFor } from './messages/index.ts';
import { Output } from './output.ts';

/** An interrupted command gets so long to tidy up before the process ends anyway. */
const GRACE_MS = 900;

/** Runs the command line and returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  endQuietlyOnClosedPipe();
  const controller = abortOnSignals();
  try {
    await execute(argv, controller.signal);
    return EXIT_CODES.ok;
  } catch (error) {
    // what a signal caused reports as the signal, whatever the library made of the abort
    return report(controller.signal.aborted ? controller.signal.reason : error, argv);
  }
}

/** Runs one command; throws what it throws. `signal` interrupts it. */
export async function execute(argv: readonly string[], signal: AbortSignal): Promise<void> {
  const program = await buildProgram(argv, signal);
  if (argv.length === 0) program.outputHelp();
  else await program.parseAsync([...argv], { from: 'user' });
}

// --- internal ---

async function buildProgram(argv: readonly string[], signal: AbortSignal): Promise<Command> {
  const messages = messagesFor(readEnvironment().language);
  const program = new Command('fsb')
    .description(messages.tagline)
    .version(FSB_VERSION, '-V, --version')
    .exitOverride()
    .configureHelp({ showGlobalOptions: false })
    .addHelpText('after', `\n${messages.helpFooter}`);
  const wanted =
    argv.find((word) => !word.startsWith('-')) === 'help' ? argv[1] : argv.find((word) => !word.startsWith('-'));
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    const command = program.command(name).summary(messages.summaries[summary]).description(messages.summaries[summary]);
    command.exitOverride();
    if (name === wanted) declare(command, await load(), signal);
  }
  return program;
}

function declare(command: Command, module: { command: CommandModule }, signal: AbortSignal): void {
  const run: Runner =
    (action) =>
    (...args) => {
      // commander passes arguments, then the options, then the command itself
      const [options] = args.slice(-2) as [CommonOptions];
      return action(new Context(options, signal), ...(args.slice(0, -1) as never));
    };
  module.command.declare(command, run);
  if (module.command.json !== false) command.option('--json', 'print one JSON document on stdout');
  command.option('--quiet', 'no progress and no notes on stderr').option('--debug', 'print the stack of an error');
}

function report(error: unknown, argv: readonly string[]): number {
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT_CODES.ok; // --help, --version
  const usage = error instanceof CommanderError;
  const output = new Output({
    json: argv.includes('--json'),
    quiet: false,
    debug: argv.includes('--debug'),
    noColor: readEnvironment().noColor,
  });
  if (!usage) output.error(error);
  else if (output.json) {
    const message = error.message.replace(/^error: /, '');
    process.stderr.write(
      `${JSON.stringify({ error: { code: error.code, exitCode: EXIT_CODES.usage, message, retryable: false } })}\n`,
    );
  }
  if (usage) return EXIT_CODES.usage; // commander has printed it, with "did you mean"
  return error instanceof FsbError ? error.exitCode : EXIT_CODES.internal;
}

/** `fsb … | head` closes our stdout: that is a reader who has enough, not an error. */
function endQuietlyOnClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT_CODES.ok);
    throw error;
  });
}

function abortOnSignals(): AbortController {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      const error = new InterruptedError(name);
      if (controller.signal.aborted) process.exit(error.exitCode); // the second time at once
      controller.abort(error);
      setTimeout(() => {
        report(error, process.argv);
        process.exit(error.exitCode);
      }, GRACE_MS).unref();
    });
  return controller;
}
