import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Output } from '../../src/cli/output.ts';
import { pullProgress } from '../../src/cli/pull-progress.ts';
import type { PullEvent } from '../../src/hub/pull.ts';

const [LARGE, SMALL] = ['pytorch_model.bin', 'config.json'];
const [LARGE_BYTES, SMALL_BYTES] = [100e6, 1e6];
const files = [
  { path: LARGE, sizeBytes: LARGE_BYTES },
  { path: SMALL, sizeBytes: SMALL_BYTES },
];
const LISTED: PullEvent = { type: 'files', revision: undefined, files, totalBytes: LARGE_BYTES + SMALL_BYTES };
const progressOf = (path: string, bytes: number, sizeBytes: number): PullEvent => ({
  type: 'progress',
  ...{ path, bytes, sizeBytes },
});
const finished = (path: string, sizeBytes: number): PullEvent => ({
  type: 'file',
  ...{ path, sizeBytes, sha256: 'a'.repeat(64), source: 'x' },
});

const isTerminal = Object.getOwnPropertyDescriptor(process.stderr, 'isTTY');
let written = '';
beforeEach(() => {
  written = '';
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    written += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  if (isTerminal) Object.defineProperty(process.stderr, 'isTTY', isTerminal);
  else Reflect.deleteProperty(process.stderr, 'isTTY');
});

const open = (isTTY: boolean, quiet = false) => {
  Object.defineProperty(process.stderr, 'isTTY', { value: isTTY, configurable: true });
  return pullProgress(new Output({ json: false, quiet, debug: false, noColor: true }), 'pulling m');
};

/** Bytes of the large file, every 100 ms: 10 MB/s, with a piece that has to be fetched again now and then. */
function* comingAndGoing(): Generator<number> {
  for (let step = 0; step <= 100; step++) yield step * 1e6 - (step % 7 === 3 ? 5e5 : 0);
}

const isRising = (values: readonly number[]): boolean =>
  values.every((value, at) => at === 0 || value >= values[at - 1]!);

describe('without a terminal', () => {
  it('one line every five seconds, whose numbers never run backwards', async () => {
    const progress = await open(false);
    progress.event(LISTED);
    for (const bytes of comingAndGoing()) {
      progress.event(progressOf(LARGE, bytes, LARGE_BYTES));
      vi.advanceTimersByTime(100);
    }
    progress.stop();
    const lines = written.trim().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^pulling m 48% 49.0 MB\/101 MB, 9.\d+ MB\/s, 5.\ds left$/);
    expect(isRising(lines.map((line) => Number(/ (\d+)%/.exec(line)?.[1])))).toBe(true);
    vi.advanceTimersByTime(60_000);
    expect(written.trim().split('\n')).toEqual(lines);
  });

  it('a line also while nothing comes, so that a log shows a stall', async () => {
    const progress = await open(false);
    progress.event(LISTED);
    progress.event(progressOf(LARGE, 5e6, LARGE_BYTES));
    vi.advanceTimersByTime(16_000);
    expect(written.match(/^pulling m 4% 5.00 MB\/101 MB/gm)).toHaveLength(3);
    progress.stop();
  });

  it('nothing for what takes less, and nothing with --quiet', async () => {
    const brief = await open(false);
    brief.event(LISTED);
    brief.event(progressOf(LARGE, LARGE_BYTES, LARGE_BYTES));
    vi.advanceTimersByTime(4000);
    brief.stop();
    const quiet = await open(false, true);
    quiet.event(progressOf(LARGE, LARGE_BYTES, LARGE_BYTES));
    vi.advanceTimersByTime(20_000);
    quiet.stop();
    expect(written).toBe('');
  });
});

describe('on a terminal', () => {
  /** Percentages that were drawn for a label, in order. */
  const shares = (label: string): number[] =>
    [...written.matchAll(new RegExp(`${label}\\s+[█░]+\\s+(\\d+)%`, 'g'))].map((match) => Number(match[1]));

  it('a bar for each file and one for all, which never run backwards', async () => {
    const progress = await open(true);
    progress.event(LISTED);
    progress.event(progressOf(SMALL, SMALL_BYTES / 2, SMALL_BYTES));
    for (const bytes of comingAndGoing()) {
      progress.event(progressOf(LARGE, bytes, LARGE_BYTES));
      vi.advanceTimersByTime(100);
    }
    for (const label of ['pulling m', LARGE]) expect(shares(label).length).toBeGreaterThan(20);
    for (const label of ['pulling m', LARGE, SMALL]) expect(isRising(shares(label))).toBe(true);
    expect(new Set(shares(SMALL))).toEqual(new Set([50]));
    expect(written).toMatch(/\d MB\/s, [\d.]+s left/);
    const left = [...written.matchAll(/pulling m[^\n]*?, ([\d.]+)s left/g)].map((match) => -Number(match[1]));
    expect(isRising(left)).toBe(true);
    expect(progress.heldBytes()).toBe(LARGE_BYTES + SMALL_BYTES / 2);
    progress.stop();
  });

  it('a file that is finished has no bar any more; notes stand above the bars', async () => {
    const progress = await open(true);
    progress.event(LISTED);
    progress.event(progressOf(SMALL, 1, SMALL_BYTES));
    vi.advanceTimersByTime(200);
    progress.event(finished(SMALL, SMALL_BYTES));
    vi.advanceTimersByTime(200);
    written = '';
    progress.note('mirror: it serves other bytes');
    progress.event(progressOf(LARGE, 1e6, LARGE_BYTES));
    vi.advanceTimersByTime(200);
    expect(shares(SMALL)).toEqual([]);
    expect(written.indexOf('mirror: it serves other bytes')).toBeGreaterThanOrEqual(0);
    expect(written.indexOf('mirror: it serves other bytes')).toBeLessThan(written.lastIndexOf('pulling m'));
    expect(progress.heldBytes()).toBe(SMALL_BYTES + 1e6);
    progress.stop();
  });
});
