/** Compares a converted model's outputs with a golden.json: the numbers of the reference implementation in PyTorch. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Row, RowOutput } from '../../src/pipelines/encoder.ts';
import { argmax, logSumExp } from '../../src/tensor/math.ts';

interface GoldenInput {
  readonly name: string;
  readonly input_ids: number[][];
  readonly attention_mask?: number[][];
  readonly token_type_ids?: number[][];
  readonly position_ids?: number[][];
  readonly decoder_input_ids?: number[][];
  /** The first so many ids in one go, then one at a time with the cache; step_logits hold the logits after each call. */
  readonly cached_steps?: number;
}

interface GoldenOutput {
  readonly input: string;
  readonly name: string;
  readonly shape: readonly number[];
  readonly full_shape?: readonly number[];
  readonly columns?: readonly number[];
  readonly values: readonly number[];
}

export interface Golden {
  readonly case: string;
  readonly architecture: string;
  readonly noise_float32: number;
  readonly vocabulary_size: number;
  readonly inputs: readonly GoldenInput[];
  readonly outputs: readonly GoldenOutput[];
}

/** Runs rows and returns, for each row, the named outputs. */
export type RunRows = (rows: readonly Row[], outputs: readonly string[]) => Promise<RowOutput[][]>;

/** Reads the first `count` ids of a row, then the others one by one with a cache; the logits after each call. */
export type RunSteps = (ids: readonly number[], count: number) => Promise<RowOutput>;

export interface CaseParity {
  readonly case: string;
  readonly architecture: string;
  /** Numbers compared. */
  readonly compared: number;
  readonly maxDifference: number;
  readonly worstOutput: string;
  /** max(1e-4, 8 × noise_float32), the goldens' rule for float32. */
  readonly tolerance: number;
  /** Positions whose argmax differs, over all columns or over the vocabulary. */
  readonly argmaxDiffers: number;
}

export function readGolden(folder: string): Golden {
  return JSON.parse(readFileSync(path.join(folder, 'golden.json'), 'utf8')) as Golden;
}

/** True when the numbers are the reference's: every output within the tolerance, every argmax the same. */
export function isEqual(parity: CaseParity): boolean {
  return parity.compared > 0 && parity.maxDifference <= parity.tolerance && parity.argmaxDiffers === 0;
}

/** Compares every output of every input. */
export async function compareCase(golden: Golden, run: RunRows, steps?: RunSteps): Promise<CaseParity> {
  const result = { compared: 0, maxDifference: 0, worstOutput: '–', argmaxDiffers: 0 };
  const note = (difference: number, where: string): void => {
    result.compared++;
    if (difference <= result.maxDifference) return;
    result.maxDifference = difference;
    result.worstOutput = where;
  };
  for (const input of golden.inputs) {
    const outputs = golden.outputs.filter((output) => output.input === input.name);
    const plain = outputs.filter(({ name }) => !name.includes('.'));
    const names = plain.map(({ name }) => name);
    const rows =
      input.cached_steps === undefined
        ? await run(rowsOf(input), names)
        : await Promise.all(input.input_ids.map(async (ids) => [await steps!(ids, input.cached_steps!)]));
    for (const [index, output] of plain.entries()) {
      const got = rows.map((row) => row[index]!);
      compareValues(input, output, got, note);
      for (const derived of outputs.filter(({ name }) => name.startsWith(`${output.name}.`)))
        result.argmaxDiffers += compareDerived(golden, input, derived, got, note);
    }
  }
  const { case: name, architecture, noise_float32: noise } = golden;
  return { case: name, architecture, tolerance: Math.max(1e-4, 8 * noise), ...result };
}

// --- internal ---

function rowsOf(input: GoldenInput): Row[] {
  return input.input_ids.map((ids, i) => ({
    ids,
    attentionMask: input.attention_mask?.[i],
    typeIds: input.token_type_ids?.[i],
    positionIds: input.position_ids?.[i],
    decoderIds: input.decoder_input_ids?.[i],
  }));
}

type Note = (difference: number, where: string) => void;

/** Positions that are padding mean nothing; outputs without positions (pooler, classes) have one vector per row. */
function positionsOf(input: GoldenInput, name: string, row: number, output: RowOutput): number[] {
  if (output.shape.length === 1) return [0];
  const all = Array.from({ length: output.shape[0]! }, (_, t) => t);
  // an encoder-decoder's mask is the source's: decoder outputs have no padded positions
  if (input.decoder_input_ids && !name.startsWith('encoder')) return all;
  return all.filter((t) => input.attention_mask?.[row]?.[t] !== 0);
}

function compareValues(input: GoldenInput, output: GoldenOutput, got: readonly RowOutput[], note: Note): void {
  const kept = output.shape.at(-1)!;
  const perRow = output.values.length / got.length;
  for (const [row, { shape, values }] of got.entries()) {
    const width = shape.at(-1)!;
    for (const t of positionsOf(input, output.name, row, got[row]!))
      for (let j = 0; j < kept; j++) {
        const expected = output.values[row * perRow + t * kept + j]!;
        const column = output.columns?.[j] ?? j;
        note(Math.abs(values[t * width + column]! - expected), `${input.name}/${output.name}`);
      }
  }
}

/** argmax, argmax_in_vocabulary and logsumexp of a row of logits; returns how many argmaxes differ. */
function compareDerived(
  golden: Golden,
  input: GoldenInput,
  derived: GoldenOutput,
  got: readonly RowOutput[],
  note: Note,
): number {
  const kind = derived.name.split('.')[1];
  const perRow = derived.values.length / got.length;
  let differs = 0;
  for (const [row, { shape, values }] of got.entries()) {
    const width = shape.at(-1)!;
    for (const t of positionsOf(input, derived.name, row, got[row]!)) {
      const logits = values.subarray(t * width, (t + 1) * width);
      const expected = derived.values[row * perRow + t]!;
      if (kind === 'logsumexp') note(Math.abs(logSumExp(logits) - expected), `${input.name}/${derived.name}`);
      else if (argmax(kind === 'argmax' ? logits : logits.subarray(0, golden.vocabulary_size)) !== expected) differs++;
    }
  }
  return differs;
}
