/** An encoder ready to run: session, tokenizer and manifest of one model folder. Rows of ids in, rows of numbers out. */
import path from 'node:path';
import type { Explanation } from '../engine/explanation.ts';
import { openSession } from '../engine/open-session.ts';
import type { Session } from '../engine/session.ts';
import { blockMaskTensor, int64Tensor, type Tensor, toFloat32 } from '../engine/tensor.ts';
import { type Manifest, type ManifestGraph, type ManifestOutput, readManifest } from '../registry/manifest.ts';
import { elementCountOf } from '../tensor/lazy-tensor.ts';
import { openTokenizer } from '../tokenizers/open.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import { UnsupportedError, UsageError } from '../util/errors.ts';

export type { Tokenizer } from '../tokenizers/tokenizer.ts';

/** Optional input: the positions b · T + t of the batch at which logits over the vocabulary are computed. */
export const LOGIT_POSITIONS = 'logit_positions';

export interface OpenModelOptions {
  /** auto, cpu, webgpu, cuda[:N], dml, coreml. @default "auto" */
  readonly device?: string;
  /** Threads of the session. @default one per physical core */
  readonly threads?: number | undefined;
  readonly onWarning?: (message: string) => void;
  /** Told of each graph what ran where, when the model is disposed. Recording it makes every run slower. */
  readonly onExplanation?: ((explanation: Explanation) => void) | undefined;
}

/** One input row, unpadded. */
export interface Row {
  readonly ids: readonly number[];
  /** @default all 1 */
  readonly attentionMask?: readonly number[] | undefined;
  /** @default all 0 */
  readonly typeIds?: readonly number[] | undefined;
  /** @default 0, 1, 2, … */
  readonly positionIds?: readonly number[] | undefined;
  /**
   * Encoders with a query_key_mask: tokens of two different blocks do not see one another, block 0 sees all and is seen by
   * all. @default all 0
   */
  readonly blocks?: readonly number[] | undefined;
  /** Encoder-decoders: what the decoder reads. */
  readonly decoderIds?: readonly number[] | undefined;
}

/** One output of one row, of the row's own length, without a batch dimension. */
export interface RowOutput {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

type VocabularyOutput = 'mlm_logits' | 'lm_logits';

/**
 * Which of these outputs says what stands at a [MASK]. Zhouwenwang's base models have no MLM transform: theirs are the
 * tied logits, of a text that is read in both directions.
 */
export function maskOutputOf(outputs: readonly string[]): VocabularyOutput | undefined {
  return VOCABULARY_OUTPUTS.find((name) => outputs.includes(name));
}

export interface LogitsAtOptions {
  /** @default what fills masks: see maskOutputOf */
  readonly output?: VocabularyOutput;
  readonly signal?: AbortSignal | undefined;
}

export class Encoder {
  readonly manifest: Manifest;
  readonly folder: string;
  readonly tokenizer: Tokenizer | undefined;
  readonly #session: Session;
  readonly #graph: ManifestGraph;

  private constructor(
    folder: string,
    manifest: Manifest,
    graph: ManifestGraph,
    session: Session,
    tokenizer: Tokenizer | undefined,
  ) {
    this.folder = folder;
    this.manifest = manifest;
    this.tokenizer = tokenizer;
    this.#graph = graph;
    this.#session = session;
  }

  /** True when the model has a graph that an Encoder runs. */
  static canOpen(manifest: Manifest): boolean {
    return encoderGraph(manifest) !== undefined;
  }

  /** Opens a model folder. Throws UnsupportedError when its architecture is no encoder. */
  static async open(folder: string, options: OpenModelOptions = {}): Promise<Encoder> {
    const manifest = await readManifest(folder);
    const graph = encoderGraph(manifest);
    if (!graph)
      throw new UnsupportedError(
        `${manifest.name} (${manifest.architecture}) is no encoder: its graphs give no last_hidden_state`,
        {
          code: 'not-an-encoder',
        },
      );
    const tokenizer = manifest.tokenizer ? await openTokenizer(folder) : undefined;
    const session = await openSession(path.join(folder, graph.file), options);
    return new Encoder(folder, manifest, graph, session, tokenizer);
  }

  get device(): string {
    return this.#session.device;
  }

  /** Which binding drives ONNX Runtime. */
  get runtime(): string {
    return this.#session.runtime;
  }

  /** Outputs by fsb's names. */
  get outputs(): readonly string[] {
    return this.#graph.outputs.map(({ name }) => name);
  }

  /** The longest row the model takes, in tokens; infinite where positions are rotations. */
  get maxPositions(): number {
    return Number(this.manifest.config.maxPositions ?? Number.POSITIVE_INFINITY);
  }

  /** The longest text the model was made for, in tokens: texts are cut to it. */
  get maxLength(): number {
    return Number(this.manifest.config.trainedPositions ?? this.maxPositions);
  }

  /** Ids from here on are padding rows of the embedding: they stand for no token and must never be predicted. */
  get vocabularySize(): number {
    return this.tokenizer?.vocabularySize ?? Number(this.manifest.config.vocabularyRows);
  }

  /** The tokenizer, or an UnsupportedError that says why text cannot be read. */
  requireTokenizer(): Tokenizer {
    if (this.tokenizer) return this.tokenizer;
    throw new UnsupportedError(`${this.folder} has no tokenizer files, so it takes ids (fsb infer --ids) and no text`, {
      code: 'no-tokenizer',
    });
  }

  /** True when the model has this output. */
  has(output: string): boolean {
    return this.#graph.outputs.some(({ name }) => name === output);
  }

  /** True when the graph has an input of this name, required or not. */
  takes(input: string): boolean {
    return this.#graph.inputs.some(({ name }) => name === input);
  }

  /**
   * Runs rows as one padded batch. Result: for each row, the named outputs in order.
   * Numbers do not depend on how rows are put together, up to the rounding of another summation order.
   * @throws UsageError for a row that is empty, too long, or has ids that the model lacks
   */
  async run(rows: readonly Row[], outputs: readonly string[], signal?: AbortSignal): Promise<RowOutput[][]> {
    for (const [index, row] of rows.entries()) this.#check(row, index);
    const wanted = outputs.map((name) => this.#output(name));
    const feeds = this.#feeds(rows);
    // ONNX Runtime computes what nobody asked for: one position of it, then, instead of all
    if (this.#choosesPositions && maskOutputOf(outputs) === undefined) feeds[LOGIT_POSITIONS] = vector([0]);
    const results = await this.#session.run(
      feeds,
      wanted.map(({ graphName }) => graphName),
      signal ? { signal } : {},
    );
    const whole = wanted.map((output) => ({ output, tensor: results[output.graphName]! }));
    return rows.map((row, index) => whole.map(({ output, tensor }) => rowOf(tensor, output, index, row.ids.length)));
  }

  /**
   * The logits over the vocabulary at some positions of each row: (positions, vocabularyRows), in the order they are named. The same numbers as those of run, without its work for all other positions.
   * @throws what run throws, and UsageError for a position that a row has not
   */
  async logitsAt(
    rows: readonly Row[],
    positions: readonly (readonly number[])[],
    { output = maskOutputOf(this.outputs) ?? 'mlm_logits', signal }: LogitsAtOptions = {},
  ): Promise<RowOutput[]> {
    for (const [index, row] of rows.entries()) {
      this.#check(row, index);
      checkRange(positions[index]!, row.ids.length, 'positions', (message) => badRow(index, message));
    }
    if (!this.#choosesPositions || positions.flat().length === 0) {
      const outputs = await this.run(rows, [output], signal);
      return outputs.map(([whole], index) => pickRows(whole!, positions[index]!));
    }
    const { graphName } = this.#output(output);
    const width = Math.max(...rows.map((row) => row.ids.length));
    const flat = positions.flatMap((wanted, row) => wanted.map((position) => row * width + position));
    const feeds = { ...this.#feeds(rows), [LOGIT_POSITIONS]: vector(flat) };
    const results = await this.#session.run(feeds, [graphName], signal ? { signal } : {});
    const tensor = results[graphName]!; // (1, positions of all rows, vocabularyRows)
    const [values, columns] = [toFloat32(tensor), tensor.shape.at(-1)!];
    let end = 0;
    return positions.map(({ length }) => {
      const start = end;
      end += length * columns;
      return { shape: [length, columns], values: values.subarray(start, end) };
    });
  }

  /** Graphs of an older fsb lack the input, and the JavaScript API feeds no optional one: both give logits at all positions. */
  get #choosesPositions(): boolean {
    return this.#session.inputNames.includes(LOGIT_POSITIONS);
  }

  /** Frees the session; a run under way ends first. */
  dispose(): Promise<void> {
    return this.#session.dispose();
  }

  #output(name: string): ManifestOutput {
    const found = this.#graph.outputs.find((output) => output.name === name);
    if (found) return found;
    throw new UnsupportedError(
      `${this.manifest.name} has no output "${name}"; it has ${this.#graph.outputs.map((output) => output.name).join(', ')}`,
      { code: 'missing-output', facts: { name } },
    );
  }

  #feeds(rows: readonly Row[]): Record<string, Tensor> {
    const ones = (row: Row): number[] => row.ids.map(() => 1);
    const zeros = (row: Row): number[] => row.ids.map(() => 0);
    const feeds: Record<string, Tensor> = {
      input_ids: int64Tensor(
        rows.map((row) => row.ids),
        this.tokenizer?.specialTokens.pad?.id ?? 0,
      ),
      attention_mask: int64Tensor(rows.map((row) => row.attentionMask ?? ones(row))),
      token_type_ids: int64Tensor(rows.map((row) => row.typeIds ?? zeros(row))),
    };
    if (rows.some((row) => row.positionIds))
      feeds.position_ids = int64Tensor(rows.map((row) => row.positionIds ?? row.ids.map((_, i) => i)));
    if (rows.some((row) => row.blocks))
      feeds.query_key_mask = blockMaskTensor(rows.map((row) => row.blocks ?? zeros(row)));
    return feeds;
  }

  #check(row: Row, index: number): void {
    const bad = (message: string): UsageError => badRow(index, message);
    if (row.ids.length === 0) throw bad('input_ids is empty');
    if (row.ids.length > this.maxPositions)
      throw bad(`${row.ids.length} tokens; ${this.manifest.name} takes at most ${this.maxPositions}`);
    checkRange(row.ids, Number(this.manifest.config.vocabularyRows), 'input_ids', bad);
    for (const [name, values, limit] of [
      ['attention_mask', row.attentionMask, 2],
      ['token_type_ids', row.typeIds, Number(this.manifest.config.typeVocabularySize)],
      ['position_ids', row.positionIds, this.maxPositions],
      ['blocks', row.blocks, Number.MAX_SAFE_INTEGER],
    ] as const) {
      if (!values) continue;
      if (values.length !== row.ids.length)
        throw bad(`${name} has ${values.length} numbers, input_ids ${row.ids.length}`);
      checkRange(values, limit, name, bad);
    }
  }
}

// --- internal ---

/** The outputs that LOGIT_POSITIONS concerns. */
const VOCABULARY_OUTPUTS = ['mlm_logits', 'lm_logits'] as const satisfies readonly VocabularyOutput[];

const vector = (values: readonly number[]): Tensor => ({ ...int64Tensor([values]), shape: [values.length] });

/** Some rows of a matrix, one below the other. */
function pickRows({ shape, values }: RowOutput, positions: readonly number[]): RowOutput {
  const columns = shape[1]!;
  const picked = new Float32Array(positions.length * columns);
  for (const [i, at] of positions.entries()) picked.set(values.subarray(at * columns, (at + 1) * columns), i * columns);
  return { shape: [positions.length, columns], values: picked };
}

/** An encoder's graph reads token types and keeps no cache. */
function encoderGraph(manifest: Manifest): ManifestGraph | undefined {
  return manifest.graphs.find(
    ({ name, inputs }) => name === 'model' && inputs.some((input) => input.name === 'token_type_ids'),
  );
}

function badRow(row: number, message: string): UsageError {
  return new UsageError(`row ${row}: ${message}`, { code: 'bad-row', facts: { row } });
}

function checkRange(
  values: readonly number[],
  limit: number,
  name: string,
  bad: (message: string) => UsageError,
): void {
  const wrong = values.find((value) => !Number.isInteger(value) || value < 0 || value >= limit);
  if (wrong !== undefined) throw bad(`${name}: expected integers from 0 to ${limit - 1}, found ${wrong}`);
}

/** Row `index` of a batched output, cut to the row's own length. */
function rowOf(tensor: Tensor, output: ManifestOutput, index: number, length: number): RowOutput {
  const padded = tensor.shape.slice(1);
  const shape = padded.map((size, d) => (output.shape[d + 1] === 'sequence_length' ? length : size));
  const start = index * elementCountOf(padded);
  // only the first dimension of a row is ever padded: what is cut lies at the end
  return { shape, values: toFloat32(tensor).subarray(start, start + elementCountOf(shape)) };
}
