/**
 * Everything that reaches the terminal. stdout carries the result and nothing else; progress, notes, warnings and
 * errors go to stderr. No ANSI when the stream is no terminal, with NO_COLOR, or with --json.
 */
import { Chalk, type ChalkInstance } from 'chalk';
import { FsbError, messageOf } from '../util/errors.ts';
import { formatBytes, formatDuration } from '../util/format.ts';

/** Without a terminal, progress is one line in so many milliseconds: logs stay short, and a stall is visible. */
const LINE_INTERVAL_MS = 5000;
/** Speeds are averaged over so many milliseconds, so that the estimate does not jump. */
const RATE_WINDOW_MS = 5000;
/** What came at once at the beginning, or in one packet, is no speed yet. */
const MIN_RATE_MS = 1000;
/** Speed and end are looked at anew so often. */
const PACE_MS = 100;
/** An end that moves away by less than this share of what is left is not shown: it would jump back and forth. */
const ETA_SLACK = 0.3;

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly debug: boolean;
  readonly noColor: boolean;
}

/** How much is done of a task; `unit` is what the numbers count. */
export interface Progress {
  update(done: number, total?: number): void;
  /** Removes the bar. */
  stop(): void;
}

export class Output {
  readonly json: boolean;
  /** Neither progress nor notes are wanted. */
  readonly quiet: boolean;
  readonly #options: OutputOptions;
  /** Documents wait while this is more than 0. */
  #holds = 0;
  #held: { schema: string } | undefined;
  #additions: Readonly<Record<string, readonly unknown[]>> = {};
  /** Colours for stdout. */
  readonly style: ChalkInstance;
  /** Colours for stderr. */
  readonly noteStyle: ChalkInstance;

  constructor(options: OutputOptions) {
    this.#options = options;
    this.json = options.json;
    this.quiet = options.quiet;
    const plain = options.noColor || options.json;
    this.style = new Chalk({ level: plain || !process.stdout.isTTY ? 0 : 1 });
    this.noteStyle = new Chalk({ level: plain || !process.stderr.isTTY ? 0 : 1 });
  }

  /** One line of the result on stdout. */
  line(text = ''): void {
    process.stdout.write(`${text}\n`);
  }

  /** The result as text, or as one JSON document with --json. */
  result(document: { schema: string }, text: () => string): void {
    if (!this.json) this.line(text());
    else if (this.#holds > 0) this.#held = document;
    else this.line(JSON.stringify({ ...document, ...this.#additions }));
  }

  /** The JSON document waits for something that is known later. */
  holdDocument(): void {
    this.#holds++;
  }

  /** Adds lists to the document, or to the next one, and prints what waited. */
  releaseDocument(additions: Readonly<Record<string, readonly unknown[]>>): void {
    for (const [name, items] of Object.entries(additions))
      this.#additions = { ...this.#additions, [name]: [...(this.#additions[name] ?? []), ...items] };
    this.#holds--;
    const document = this.#held;
    if (!document || this.#holds > 0) return;
    this.#held = undefined;
    this.result(document, () => '');
  }

  /** What fsb does on the way, on stderr; silent with --quiet. */
  note(text: string): void {
    if (!this.#options.quiet) process.stderr.write(`${text}\n`);
  }

  /** Something the reader should know although the work goes on; --quiet does not hide it. */
  warn(text: string): void {
    process.stderr.write(`${this.noteStyle.yellow('!')} ${text}\n`);
  }

  /** What happened, what to do, and with --json the same for programs. */
  error(error: unknown): void {
    const known = error instanceof FsbError ? error : undefined;
    process.stderr.write(`${this.noteStyle.red('fsb:')} ${messageOf(error)}\n`);
    if (known?.hint) process.stderr.write(`  ${known.hint}\n`);
    if (!known) process.stderr.write('  this is a bug in fsb; please report it with the output of --debug\n');
    if (this.#options.debug && error instanceof Error) process.stderr.write(`${error.stack}\n${causes(error)}`);
    if (!this.json) return;
    const { code = 'internal', exitCode = 1, hint, retryable = false } = known ?? {};
    process.stderr.write(
      `${JSON.stringify({ error: { code, exitCode, message: messageOf(error), hint, retryable } })}\n`,
    );
  }

  /** A bar on a terminal, a line every few seconds elsewhere, nothing with --quiet. */
  async progress(label: string, unit: 'bytes' | string): Promise<Progress> {
    if (this.#options.quiet) return { update: () => undefined, stop: () => undefined };
    return process.stderr.isTTY ? barProgress(label, unit) : lineProgress(label, unit);
  }
}

// --- internal ---

function causes(error: Error): string {
  const { cause } = error;
  return cause instanceof Error ? `caused by: ${cause.stack}\n${causes(cause)}` : '';
}

async function barProgress(label: string, unit: string): Promise<Progress> {
  const { SingleBar, Presets } = (await import('cli-progress')).default;
  const bar = new SingleBar(
    {
      format: `${label} {bar} {percentage}% | {status}`,
      barsize: 24,
      hideCursor: true,
      stream: process.stderr,
      clearOnComplete: true,
    },
    Presets.shades_classic,
  );
  const meter = new Meter(unit);
  let started = false;
  return {
    update(done, total = 0) {
      const status = meter.status(done, total);
      if (!started) bar.start(total || 1, done, { status });
      else if (total) bar.setTotal(total);
      started = true;
      bar.update(done, { status });
    },
    stop() {
      if (started) bar.stop();
    },
  };
}

function lineProgress(label: string, unit: string): Progress {
  const meter = new Meter(unit);
  let last: { done: number; total: number } | undefined;
  // by the clock, not by what happens: a log that stands still says nothing of why
  const timer = setInterval(() => {
    if (!last) return;
    const { done, total } = last;
    const share = total ? `${Math.floor((100 * done) / total)}% ` : '';
    process.stderr.write(`${label} ${share}${meter.status(done, total)}\n`);
  }, LINE_INTERVAL_MS).unref();
  return {
    update(done, total = 0) {
      last = { done, total };
      meter.status(done, total);
    },
    stop: () => clearInterval(timer),
  };
}

/** "1.20 GB/2.52 GB, 310 MB/s, 4.2s left" */
export class Meter {
  readonly #unit: string;
  readonly #samples: { at: number; done: number }[] = [];
  #pace: { at: number; text: string } | undefined;
  /** When it will be over, as last shown. */
  #endsAt: number | undefined;

  constructor(unit: string) {
    this.#unit = unit;
  }

  status(done: number, total: number, now = performance.now()): string {
    const amount = total ? `${this.#count(done)}/${this.#count(total)}` : this.#count(done);
    if (!this.#pace || now - this.#pace.at >= PACE_MS || done === total)
      this.#pace = { at: now, text: this.#paceOf(done, total, now) };
    return amount + this.#pace.text;
  }

  #paceOf(done: number, total: number, now: number): string {
    const rate = this.#rate(done, now);
    if (rate <= 0) return '';
    const left = total > done ? `, ${formatDuration(this.#left((total - done) / rate, now))} left` : '';
    return `, ${this.#count(rate)}/s${left}`;
  }

  /** A second; 0 while there is too little to tell. */
  #rate(done: number, now: number): number {
    this.#samples.push({ at: now, done });
    while (this.#samples.length > 2 && now - this.#samples[0]!.at > RATE_WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0]!;
    const elapsed = now - first.at;
    return elapsed < MIN_RATE_MS ? 0 : ((done - first.done) / elapsed) * 1000;
  }

  /** Seconds to go, counted down: only an end that has really moved away moves the count up. */
  #left(seconds: number, now: number): number {
    const endsAt = now + 1000 * seconds;
    const former = this.#endsAt ?? endsAt;
    if (endsAt < former || endsAt - former > ETA_SLACK * 1000 * seconds) this.#endsAt = endsAt;
    else this.#endsAt = former;
    return Math.max(0, (this.#endsAt - now) / 1000);
  }

  #count(value: number): string {
    return this.#unit === 'bytes'
      ? formatBytes(value)
      : `${value < 10 ? value.toFixed(1) : Math.round(value)} ${this.#unit}`;
  }
}
