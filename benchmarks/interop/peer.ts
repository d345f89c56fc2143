/** Another program that answers questions about model folders in JSON lines. */
import { type ChildProcess, spawn } from 'node:child_process';
import readline from 'node:readline';
import { z } from 'zod';

const answerSchema = z.union([z.object({ result: z.unknown() }), z.object({ error: z.string() })]);

/** What the other program said went wrong; a finding, not a fault of the benchmark. */
export class PeerError extends Error {
  override readonly name = 'PeerError';
}

export class Peer {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(name: string, command: string, args: readonly string[]) {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] }); // their warnings are not our findings
    this.#name = name;
    this.#child = child;
    this.#lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Asks one question. Throws PeerError with the other program's message. */
  async ask<T>(command: string, request: object, schema: z.ZodType<T>): Promise<T> {
    this.#child.stdin!.write(`${JSON.stringify({ command, ...request })}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#name} ended before it answered "${command}"; is it installed?`);
    const answer = answerSchema.parse(JSON.parse(value));
    if ('error' in answer) throw new PeerError(answer.error);
    return schema.parse(answer.result);
  }

  stop(): void {
    this.#child.stdin!.end();
  }
}
