/**
 * One request and its answer, at the cost of little more than the system's own: the body is handed over where the kernel
 * wrote it, without streams and without a buffer per chunk.
 */
import type { Socket } from 'node:net';
import type { buildConnector, Dispatcher } from 'undici';

/**
 * Called with the bytes that came, which are good until it returns or until its promise is fulfilled; meanwhile the
 * connection waits. What it throws ends the connection and comes out of `read`.
 */
export type ChunkHandler = (chunk: Buffer) => Promise<void> | undefined;

export interface Exchange {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Hands the body over, chunk by chunk; resolves when all was handled. To be called once. */
  read(onChunk: ChunkHandler): Promise<void>;
  /** Ends the connection, unless the body is all here. */
  abandon(): void;
}

/** An error of whoever handles the chunks, kept apart from those of the network. */
export class HandlerError extends Error {}

/** Large enough that a fast network costs few calls, small enough that the bytes are still in the processor's cache. */
const READ_BYTES = 256 << 10;

/** Sends a GET; resolves with the head of the answer. Rejects with undici's and the system's errors, `signal.reason`. */
export async function exchange(
  dispatcher: Dispatcher,
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<Exchange> {
  signal?.throwIfAborted();
  const answer = new Answer(signal);
  const { origin, pathname, search } = url;
  dispatcher.dispatch({ origin, path: pathname + search, method: 'GET', headers: { ...headers } }, answer);
  return answer.head;
}

/**
 * Connects sockets that read into buffers of their own instead of a new one each time: one waits to be read, one is
 * being handled, one takes what comes next. TLS brings more than was asked for: that is copied.
 */
export function steadyConnector(
  build: typeof buildConnector,
  options: buildConnector.BuildOptions,
): buildConnector.connector {
  return (target, callback) => {
    const buffers = Array.from({ length: 3 }, () => Buffer.allocUnsafeSlow(READ_BYTES));
    let socket: Socket | undefined;
    let waiting: Uint8Array | undefined;
    let handled: Uint8Array | undefined;
    const onread = {
      buffer: () => buffers.find((buffer) => buffer !== waiting && buffer !== handled)!,
      callback(bytes: number, buffer: Uint8Array) {
        const chunk = buffer.subarray(0, bytes);
        if (socket!.readableLength > 0) socket!.push(Buffer.from(chunk));
        else {
          handled = waiting; // it was taken out meanwhile
          waiting = buffer;
          socket!.push(chunk);
        }
        return false; // no more until this was taken
      },
    };
    // with a high water mark of one byte a stream never asks for more by itself
    const connect = build({ ...options, ...{ onread, highWaterMark: 1 } });
    connect(target, (...[error, connected]) => {
      if (error) return callback(error, null);
      socket = connected;
      callback(null, connected);
    });
  };
}

// --- internal ---

class Answer implements Dispatcher.DispatchHandler {
  readonly head: Promise<Exchange>;
  readonly #body: Promise<void>;
  readonly #signal: AbortSignal | undefined;
  #begin!: (exchange: Exchange) => void;
  #finish!: () => void;
  #rejectHead!: (error: unknown) => void;
  #rejectBody!: (error: unknown) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #onChunk: ChunkHandler | undefined;
  /** Came before anyone read. */
  #early: Buffer | undefined;
  /** Of a chunk that is still being handled. */
  #handling: Promise<void> = Promise.resolve();

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
    this.head = new Promise((resolve, reject) => {
      this.#begin = resolve;
      this.#rejectHead = reject;
    });
    this.#body = new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#rejectBody = reject;
    });
    this.#body.catch(() => undefined); // told by `head` before, by `read` after
    signal?.addEventListener('abort', this.#abort);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#signal?.aborted) controller.abort(this.#signal.reason);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Exchange['headers']): void {
    if (status < 200) return;
    controller.pause(); // until somebody reads
    this.#begin({
      status,
      headers,
      read: (onChunk) => {
        this.#onChunk = onChunk;
        if (this.#early) this.#hand(controller, this.#early);
        else controller.resume();
        return this.#body;
      },
      abandon: () => controller.abort(new HandlerError('not wanted any more')),
    });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (chunk.length === 0) return; // comes with every resumption
    if (this.#onChunk) this.#hand(controller, chunk);
    else this.#early = Buffer.from(chunk); // through a proxy, the pause begins after the first chunk
  }

  onResponseEnd(): void {
    this.#signal?.removeEventListener('abort', this.#abort);
    // when the dispatcher has its connection back: the next request shall find it free
    this.#handling.then(() => setImmediate(this.#finish));
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#reject(error);
  }

  #hand(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    try {
      const handling = this.#onChunk!(chunk);
      if (!handling) {
        if (controller.paused) controller.resume();
        return;
      }
      controller.pause();
      this.#handling = handling.then(
        () => controller.resume(),
        (error) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  #reject(error: unknown): void {
    this.#rejectHead(error);
    this.#rejectBody(error);
  }

  #fail(cause: unknown): void {
    const error = new HandlerError('the bytes could not be handled', { cause });
    this.#reject(error);
    this.#controller!.abort(error);
  }

  readonly #abort = (): void => {
    const reason = this.#signal!.reason;
    this.#reject(reason);
    this.#controller?.abort(reason);
  };
}
