/** Input that commands read: texts from arguments or --input (JSON lines or plain lines), ids from --ids. */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import readline from 'node:readline';
import { z } from 'zod';
import type { Row } from '../pipelines/encoder.ts';
import { isSystemError, messageOf, NotFoundError, UsageError } from '../util/errors.ts';

/** One line of --input, or one argument. */
export interface TextRow {
  readonly id?: string | number;
  readonly text: string;
  readonly pair?: string;
}

const ids = z.array(z.number().int());
const idRow = z.strictObject({
  input_ids: ids,
  attention_mask: ids.optional(),
  token_type_ids: ids.optional(),
  position_ids: ids.optional(),
  decoder_input_ids: ids.optional(),
});
const textRow = z.looseObject({
  id: z.union([z.string(), z.number()]).optional(),
  text: z.string(),
  pair: z.string().optional(),
});

/** Texts from the command's arguments, or from `input` (a file, or - for standard input). Exactly one must be given. */
export async function* readTexts(
  texts: readonly string[],
  input: string | undefined,
  pair?: string,
): AsyncGenerator<TextRow> {
  if (input !== undefined && texts.length > 0)
    throw new UsageError('texts were given both as arguments and with --input; give one of them', {
      code: 'two-inputs',
    });
  if (input === undefined) {
    if (texts.length === 0)
      throw new UsageError('no text was given; write it as an argument, or use --input FILE|-', { code: 'no-input' });
    for (const text of texts) yield { text, ...(pair !== undefined && { pair }) };
    return;
  }
  let number = 0;
  for await (const line of readline.createInterface({ input: openInput(input), crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    const content = number === 1 ? line.replace(/^\uFEFF/, '') : line;
    if (content.trim() !== '') yield parseLine(content, `${input === '-' ? 'standard input' : input}:${number}`);
  }
}

/** Rows of ids from the value of --ids: JSON, or @FILE with JSON. A single row may stand without an array. */
export async function readIdRows(value: string): Promise<Row[]> {
  const where = value.startsWith('@') ? value.slice(1) : '--ids';
  const json = value.startsWith('@') ? await readText(where) : value;
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    throw new UsageError(`${where}: not valid JSON: ${messageOf(error)}`, {
      code: 'bad-ids',
      hint: 'expected [{"input_ids":[101,…,102]}]',
    });
  }
  const rows = Array.isArray(parsed) && !parsed.every((item) => typeof item === 'number') ? parsed : [parsed];
  return rows.map((value, index) => {
    const result = idRow.safeParse(Array.isArray(value) ? { input_ids: value } : value);
    if (!result.success) {
      const [issue] = result.error.issues;
      throw new UsageError(`${where}: row ${index}: ${issue?.path.join('.') ?? ''}: ${issue?.message}`, {
        code: 'bad-ids',
      });
    }
    const row = result.data;
    return {
      ids: row.input_ids,
      attentionMask: row.attention_mask,
      typeIds: row.token_type_ids,
      positionIds: row.position_ids,
      decoderIds: row.decoder_input_ids,
    };
  });
}

// --- internal ---

function openInput(input: string): NodeJS.ReadableStream {
  if (input === '-') return process.stdin;
  return createReadStream(input, 'utf8');
}

async function readText(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error) => {
    if (isSystemError(error, 'ENOENT')) throw new NotFoundError(`${file} does not exist`, { code: 'file-not-found' });
    throw error;
  });
}

/** A line that begins with "{" is JSON, every other is text. */
function parseLine(line: string, where: string): TextRow {
  if (!line.trimStart().startsWith('{')) return { text: line };
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new UsageError(`${where}: begins with "{" but is not valid JSON: ${messageOf(error)}`, {
      code: 'bad-input-line',
    });
  }
  const result = textRow.safeParse(value);
  if (!result.success)
    throw new UsageError(`${where}: expected {"text": "…", "pair"?: "…", "id"?: …}, found ${line.slice(0, 80)}`, {
      code: 'bad-input-line',
    });
  const { id, text, pair } = result.data;
  return { text, ...(id !== undefined && { id }), ...(pair !== undefined && { pair }) };
}
