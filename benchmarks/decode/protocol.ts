/** How the benchmark talks to a peer: one JSON line per request and answer, over a child process that stays. */
import { type ChildProcess, spawn } from 'node:child_process';
import readline from 'node:readline';

export interface DecodeRequest {
  /** Ids of the prompt. */
  readonly prompt: readonly number[];
  /** Tokens to generate after it, greedily, without stopping. */
  readonly newTokens: number;
}

export interface DecodeAnswer {
  /** Until the first token was there. */
  readonly prefillMs: number;
  /** From the first token to the last. */
  readonly decodeMs: number;
  readonly peakRssBytes: number;
}

export interface PeerInfo {
  readonly version: string;
  readonly loadMs: number;
}

/** A runtime with a model loaded. It stands still (SIGSTOP) while others are asked: some let threads spin after their work. */
export class Peer {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    this.#lines = readline.createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  /** Starts a peer; its first line says its version and how long the model took to load. */
  static async start(name: string, command: readonly string[]): Promise<{ peer: Peer; info: PeerInfo }> {
    // a group of its own: a stopped member ends a group with SIGHUP when its terminal goes
    const child = spawn(command[0]!, command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
    const peer = new Peer(name, child);
    const info = (await peer.#read()) as PeerInfo;
    child.kill('SIGSTOP');
    return { peer, info };
  }

  async ask(request: DecodeRequest): Promise<DecodeAnswer> {
    this.#child.kill('SIGCONT');
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    const answer = (await this.#read()) as DecodeAnswer;
    this.#child.kill('SIGSTOP');
    return answer;
  }

  stop(): void {
    this.#child.kill('SIGCONT');
    this.#child.stdin!.end();
    this.#child.kill();
  }

  async #read(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.name} ended`);
    return JSON.parse(value);
  }
}
