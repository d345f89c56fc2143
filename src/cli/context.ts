/** What every command gets: environment, output, signal, and the registry when it asks. */
import type { Registry } from '../registry/registry.ts';
import { type Environment, readEnvironment } from '../util/environment.ts';
import { type Messages, messagesFor } from './messages/index.ts';
import { Output } from './output.ts';

/** Options that every command has. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
}

export class Context {
  readonly environment: Environment;
  readonly output: Output;
  readonly messages: Messages;
  /** Aborts on SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  #registry: Promise<Registry> | undefined;

  constructor(options: CommonOptions, signal: AbortSignal, environment = readEnvironment()) {
    this.environment = environment;
    this.signal = signal;
    this.messages = messagesFor(environment.language);
    this.output = new Output({
      json: options.json ?? false,
      quiet: options.quiet ?? false,
      debug: options.debug ?? false,
      noColor: environment.noColor,
    });
  }

  /** The built-in registry with FSB_REGISTRY merged over it. */
  registry(): Promise<Registry> {
    this.#registry ??= import('../registry/registry.ts').then(({ loadRegistry }) =>
      loadRegistry(this.environment.registryFile ? { overlayFile: this.environment.registryFile } : {}),
    );
    return this.#registry;
  }
}
