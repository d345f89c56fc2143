/**
 * What of an unfinished file is on the disk: JSON lines beside it, the header first, then one line per piece with its
 * CRC-32, or with the sha256 of everything up to its end. A line is written after its piece's bytes. On the way back
 * every piece is read and compared, so neither a kill, nor a power cut that swallowed bytes, nor a second process can make a wrong piece pass for a right one.
 */
import { type FileHandle, mkdir, open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { ExpectedBytes } from './checksum.ts';
import type { PieceMap, PieceRecord } from './piece-map.ts';

const SCHEMA_ID = 'fsb.transfer/1';
/** A file of 64 GB has 16 000 pieces of 100 bytes each; rewritten pieces add some. */
const MAX_JOURNAL_BYTES = 64 << 20;

const headerSchema = z.object({
  schema: z.literal(SCHEMA_ID),
  sizeBytes: z.number().int().nonnegative(),
  pieceBytes: z.number().int().positive(),
  /** What the bytes must be; another expectation is another file. */
  identity: z.string(),
});
const lineSchema = z.union([
  z.object({ piece: z.number().int().nonnegative(), crc: z.number().int().nonnegative(), source: z.string() }),
  z.object({ piece: z.number().int().nonnegative(), upTo: z.string().regex(/^[0-9a-f]{64}$/), source: z.string() }),
  z.object({ forget: z.number().int().nonnegative() }),
  z.object({ validator: z.string(), of: z.string() }),
]);

export class Journal {
  readonly #handle: FileHandle;
  /** Last known validator of the file at a source, by its label. */
  readonly validators: Map<string, string>;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(handle: FileHandle, validators: Map<string, string>) {
    this.#handle = handle;
    this.validators = validators;
  }

  /**
   * Opens the journal of a file and fills the map with the pieces it names; a missing, damaged or foreign journal is
   * started over (then `resumed` is false and whatever the data file holds means nothing).
   */
  static async open(
    file: string,
    expected: ExpectedBytes & { readonly sizeBytes: number },
    pieces: PieceMap,
  ): Promise<{ journal: Journal; resumed: boolean }> {
    await mkdir(path.dirname(file), { recursive: true });
    const header = {
      schema: SCHEMA_ID as typeof SCHEMA_ID,
      sizeBytes: expected.sizeBytes,
      pieceBytes: pieces.pieceBytes,
      identity: expected.sha256 ?? expected.gitSha1 ?? '',
    };
    const former = await readJournal(file, header);
    const handle = await open(file, former ? 'a' : 'w');
    const journal = new Journal(handle, former?.validators ?? new Map());
    if (!former) await handle.write(`${JSON.stringify(header)}\n`);
    // a line that a kill cut in two must not swallow the next one
    else if (!former.endsWithNewline) await handle.write('\n');
    for (const [piece, record] of former?.pieces ?? [])
      if (piece < pieces.count) pieces.finish(piece, { ...record, isResumed: true });
    return { journal, resumed: former !== undefined };
  }

  /** Call it after the piece's bytes are written. */
  async piece(piece: number, { crc, upTo = '', source }: PieceRecord): Promise<void> {
    await this.#append(crc === undefined ? { piece, upTo, source } : { piece, crc, source });
  }

  async forget(piece: number): Promise<void> {
    await this.#append({ forget: piece });
  }

  async validator(of: string, validator: string): Promise<void> {
    if (this.validators.get(of) === validator) return;
    this.validators.set(of, validator);
    await this.#append({ validator, of });
  }

  async close(): Promise<void> {
    await this.#writing.catch(() => undefined); // whoever wrote has been told
    await this.#handle.close();
  }

  #append(line: z.infer<typeof lineSchema>): Promise<unknown> {
    this.#writing = this.#writing.then(() => this.#handle.write(`${JSON.stringify(line)}\n`));
    return this.#writing;
  }
}

// --- internal ---

async function readJournal(file: string, header: z.infer<typeof headerSchema>) {
  const bytes = await readFile(file).catch(() => undefined); // none: nothing was begun
  if (!bytes || bytes.length > MAX_JOURNAL_BYTES) return undefined;
  const text = bytes.toString('utf8');
  const [first, ...lines] = text.split('\n').map(parseLine);
  const found = headerSchema.safeParse(first);
  if (!found.success || JSON.stringify(found.data) !== JSON.stringify(header)) return undefined;
  const pieces = new Map<number, PieceRecord>();
  const validators = new Map<string, string>();
  for (const line of lines) {
    const parsed = lineSchema.safeParse(line);
    if (!parsed.success) continue; // cut in two by a kill
    if ('piece' in parsed.data) {
      const { piece, ...record } = parsed.data;
      pieces.set(piece, record);
    } else if ('forget' in parsed.data) pieces.delete(parsed.data.forget);
    else validators.set(parsed.data.of, parsed.data.validator);
  }
  return { pieces, validators, endsWithNewline: text.endsWith('\n') };
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
