/** What the encoder benchmark and its peers say to each other: JSON lines over a child process that stays. */
import { type ChildProcess, spawn } from 'node:child_process';
import readline from 'node:readline';

export const ORDERS = ['sorted', 'file order'] as const;
export type Order = (typeof ORDERS)[number];

/** A row as the model takes it, unpadded. */
export interface EncodedRow {
  readonly ids: readonly number[];
  readonly typeIds: readonly number[];
}

/** The file that every peer reads first. */
export interface Workload {
  readonly batches: Readonly<Record<Order, readonly (readonly EncodedRow[])[]>>;
}

/** The first line of a peer. */
export interface PeerInfo {
  readonly version: string;
}

/** Asked with an order, a peer runs its batches once. */
export interface Answer {
  readonly seconds: number;
  /** Of all threads of the process. */
  readonly cpuSeconds: number;
  /** (rows, labels), flat, in the order of the batches. */
  readonly logits: readonly number[];
}

export class Peer {
  readonly name: string;
  readonly info: PeerInfo;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(name: string, child: ChildProcess, lines: AsyncIterator<string>, info: PeerInfo) {
    this.name = name;
    this.info = info;
    this.#child = child;
    this.#lines = lines;
  }

  /** Starts a process and waits until its model is loaded. */
  static async start(name: string, command: string, args: readonly string[]): Promise<Peer> {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return new Peer(name, child, lines, (await nextLine(name, lines)) as PeerInfo);
  }

  async run(order: Order): Promise<Answer> {
    this.#child.stdin!.write(`${JSON.stringify({ order })}\n`);
    return (await nextLine(this.name, this.#lines)) as Answer;
  }

  stop(): void {
    this.#child.stdin!.end();
  }
}

// --- internal ---

async function nextLine(name: string, lines: AsyncIterator<string>): Promise<unknown> {
  const { value, done } = await lines.next();
  if (done) throw new Error(`the peer ${name} ended; its message is above`);
  return JSON.parse(value);
}
