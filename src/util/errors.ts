/**
 * The error family of fsb. A class says who should act (its exit code, see EXIT_CODES); `code` says exactly
 * what happened and stays stable for scripts; the message says what was expected, what was found and where.
 */

/** Exit codes of the command line; scripts rely on them. */
export const EXIT_CODES = {
  ok: 0,
  internal: 1,
  usage: 2,
  notFound: 3,
  network: 4,
  refused: 5,
  integrity: 6,
  resources: 7,
  unsupported: 8,
  validation: 9,
  locked: 10,
  sigint: 130,
  sigterm: 143,
} as const;

export interface ErrorDetails {
  /** Stable kebab-case identifier, e.g. "unsafe-pickle". */
  readonly code: string;
  /** One line: what the reader can do about it. */
  readonly hint?: string | undefined;
  /** The facts behind the message, for programs. */
  readonly facts?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
}

/** Base class. Anything thrown that is not an FsbError is a bug (exit code 1). */
export class FsbError extends Error {
  override readonly name: string = 'FsbError';
  readonly code: string;
  readonly exitCode: number = EXIT_CODES.internal;
  readonly hint: string | undefined;
  readonly facts: Readonly<Record<string, unknown>>;
  /** True when trying the same again may succeed. */
  readonly retryable: boolean = false;

  constructor(message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code;
    this.hint = details.hint;
    this.facts = details.facts ?? {};
  }
}

/** The command or a library call was given options that make no sense. */
export class UsageError extends FsbError {
  override readonly name = 'UsageError';
  override readonly exitCode = EXIT_CODES.usage;
}

/** A model, revision, file or task does not exist. */
export class NotFoundError extends FsbError {
  override readonly name = 'NotFoundError';
  override readonly exitCode = EXIT_CODES.notFound;
}

/** The network failed; the same command may work later. */
export class NetworkError extends FsbError {
  override readonly name = 'NetworkError';
  override readonly exitCode = EXIT_CODES.network;
  override readonly retryable = true;
}

/** A server or licence refuses: authentication, gated repository, expired URL. */
export class RefusedError extends FsbError {
  override readonly name = 'RefusedError';
  override readonly exitCode = EXIT_CODES.refused;
}

/** Bytes are not what they should be: wrong hash, broken archive, refused pickle, malformed file. */
export class IntegrityError extends FsbError {
  override readonly name = 'IntegrityError';
  override readonly exitCode = EXIT_CODES.integrity;
}

/** Not enough disk or memory for the work. */
export class ResourceError extends FsbError {
  override readonly name = 'ResourceError';
  override readonly exitCode = EXIT_CODES.resources;
}

/** fsb, this machine or this model cannot do what was asked. */
export class UnsupportedError extends FsbError {
  override readonly name = 'UnsupportedError';
  override readonly exitCode = EXIT_CODES.unsupported;
}

/** A check ran and its result is not good enough: parity, probe, minimum accuracy. */
export class ValidationError extends FsbError {
  override readonly name = 'ValidationError';
  override readonly exitCode = EXIT_CODES.validation;
}

/** Another process holds what is needed. */
export class LockedError extends FsbError {
  override readonly name = 'LockedError';
  override readonly exitCode = EXIT_CODES.locked;
  override readonly retryable = true;
}

/** The work was interrupted by a signal; state on disk is consistent. */
export class InterruptedError extends FsbError {
  override readonly name = 'InterruptedError';
  override readonly exitCode: number;

  constructor(signal: 'SIGINT' | 'SIGTERM', hint?: string) {
    super(`interrupted by ${signal}`, { code: 'interrupted', hint });
    this.exitCode = signal === 'SIGINT' ? EXIT_CODES.sigint : EXIT_CODES.sigterm;
  }
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** True for Node's system errors with this code (ENOENT, ENOSPC, …). */
export function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}
