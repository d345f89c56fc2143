/** How far a pull is: a bar per file and one for all on a terminal, a line every few seconds elsewhere. */
import type { PullEvent } from '../hub/pull.ts';
import { Meter, type Output } from './output.ts';

export interface PullProgress {
  event(event: PullEvent): void;
  /** A line above the bars. */
  note(text: string): void;
  /** Bytes that are here. */
  heldBytes(): number;
  /** Removes the bars; more than once is once. */
  stop(): void;
}

interface Display {
  update(path: string, bytes: number, sizeBytes: number | undefined): void;
  finish(path: string): void;
  total(bytes: number, sizeBytes: number | undefined): void;
  note(text: string): void;
  stop(): void;
}

/** A terminal is redrawn at most this often. */
const REDRAW_MS = 100;
/** Longer paths lose their beginning: the end tells files apart. */
const LABEL_COLUMNS = 24;
/** " 100% 99.9 MB/99.9 MB, 99.9 MB/s, 59m 59s left" and the spaces between. */
const STATUS_COLUMNS = 48;
const [MIN_BAR_COLUMNS, MAX_BAR_COLUMNS] = [6, 24];

/** `label` names the whole. Numbers never run backwards, whatever has to be fetched twice. */
export async function pullProgress(output: Output, label: string): Promise<PullProgress> {
  const isDrawn = !output.quiet && process.stderr.isTTY;
  const display = isDrawn ? await bars(label) : await lines(output, label);
  const held = new Map<string, number>();
  let sizeBytes: number | undefined;
  let shown = 0;
  let isStopped = false;
  const raise = (path: string, bytes: number): number => {
    const most = Math.max(held.get(path) ?? 0, bytes);
    held.set(path, most);
    shown = Math.max(
      shown,
      [...held.values()].reduce((sum, value) => sum + value, 0),
    );
    return most;
  };
  return {
    event(event) {
      if (event.type === 'files') sizeBytes = event.totalBytes;
      else if (event.type === 'progress') {
        display.update(event.path, raise(event.path, event.bytes), event.sizeBytes);
        display.total(shown, sizeBytes ?? event.sizeBytes);
      } else if (event.type === 'file') {
        raise(event.path, event.sizeBytes);
        display.finish(event.path);
        display.total(shown, sizeBytes);
      }
    },
    note: (text) => display.note(text),
    heldBytes: () => shown,
    stop() {
      if (!isStopped) display.stop();
      isStopped = true;
    },
  };
}

// --- internal ---

async function lines(output: Output, label: string): Promise<Display> {
  const progress = await output.progress(label, 'bytes');
  return {
    update: () => undefined,
    finish: () => undefined,
    total: (bytes, sizeBytes) => progress.update(bytes, sizeBytes),
    note: (text) => output.note(text),
    stop: () => progress.stop(),
  };
}

async function bars(label: string): Promise<Display> {
  const columns = process.stderr.columns || 80;
  const { MultiBar, Presets } = (await import('cli-progress')).default;
  const multi = new MultiBar(
    {
      format: '{label} {bar} {share} {status}',
      barsize: Math.max(MIN_BAR_COLUMNS, Math.min(MAX_BAR_COLUMNS, columns - LABEL_COLUMNS - STATUS_COLUMNS)),
      hideCursor: true,
      clearOnComplete: true,
      stream: process.stderr,
      fps: 1000 / REDRAW_MS,
    },
    Presets.shades_classic,
  );
  const files = new Map<string, { bar: ReturnType<typeof multi.create>; meter: Meter }>();
  const meter = new Meter('bytes');
  const all = multi.create(1, 0, { label: shorten(label), share: share(0, 1), status: '' });
  return {
    update(path, bytes, sizeBytes = 0) {
      let file = files.get(path);
      if (!file) {
        file = {
          bar: multi.create(sizeBytes || 1, 0, { label: shorten(path), share: share(0, 1), status: '' }),
          meter: new Meter('bytes'),
        };
        files.set(path, file);
      }
      if (sizeBytes) file.bar.setTotal(sizeBytes);
      file.bar.update(bytes, { share: share(bytes, sizeBytes), status: file.meter.status(bytes, sizeBytes) });
    },
    finish(path) {
      const file = files.get(path);
      if (file) multi.remove(file.bar);
      files.delete(path);
    },
    total(bytes, sizeBytes = 0) {
      if (sizeBytes) all.setTotal(sizeBytes);
      all.update(bytes, { share: share(bytes, sizeBytes), status: meter.status(bytes, sizeBytes) });
    },
    note: (text) => multi.log(`${text}\n`),
    stop: () => multi.stop(),
  };
}

/** "  7%"; blank where the whole is not known. */
function share(bytes: number, sizeBytes: number): string {
  return (sizeBytes ? `${Math.floor((100 * bytes) / sizeBytes)}%` : '').padStart(4);
}

function shorten(text: string): string {
  if (cells(text) <= LABEL_COLUMNS) return text + ' '.repeat(LABEL_COLUMNS - cells(text));
  let cut = text;
  while (cells(cut) > LABEL_COLUMNS - 1) cut = cut.slice(1);
  return `…${cut}${' '.repeat(LABEL_COLUMNS - 1 - cells(cut))}`;
}

/** Columns on a terminal: Han characters and their punctuation take two. */
function cells(text: string): number {
  const wide = text.match(
    /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/g,
  );
  return text.length + (wide?.length ?? 0);
}
