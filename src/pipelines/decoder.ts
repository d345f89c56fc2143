/**
 * A decoder ready to run: prompts are read once into a key/value cache that the graph updates in place, then tokens are
 * appended. Implements the language model that generation is written against.
 */
import path from 'node:path';
import { openSession } from '../engine/open-session.ts';
import type { Binding, Session } from '../engine/session.ts';
import { int64Tensor, toFloat32, zeros } from '../engine/tensor.ts';
import type { PrefillOptions } from '../generation/language-model.ts';
import { type Manifest, type ManifestGraph, readManifest } from '../registry/manifest.ts';
import { openTokenizer } from '../tokenizers/open.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import { UnsupportedError, UsageError } from '../util/errors.ts';
import type { OpenModelOptions, Row, RowOutput } from './encoder.ts';
import { KeyValueCache, type Step } from './key-value-cache.ts';

export class Decoder {
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

  /** Opens a model folder. Throws UnsupportedError when it has no graph with a cache. */
  static async open(folder: string, options: OpenModelOptions = {}): Promise<Decoder> {
    const manifest = await readManifest(folder);
    const graph = decoderGraph(manifest);
    if (!graph)
      throw new UnsupportedError(`${manifest.name} (${manifest.architecture}) is no decoder: it cannot generate`, {
        code: 'not-a-decoder',
      });
    const tokenizer = manifest.tokenizer ? await openTokenizer(folder) : undefined;
    return new Decoder(folder, manifest, graph, await openSession(path.join(folder, graph.file), options), tokenizer);
  }

  get device(): string {
    return this.#session.device;
  }

  get runtime(): string {
    return this.#session.runtime;
  }

  /** Outputs by fsb's names, caches left out. */
  get outputs(): readonly string[] {
    return this.#graph.outputs.map(({ name }) => name).filter((name) => !name.startsWith('present.'));
  }

  /** Width of a row of logits: rows of the embedding, padding included. */
  get columns(): number {
    return Number(this.manifest.config.vocabularyRows);
  }

  /** Ids from here on are padding rows and must never be predicted. */
  get vocabularySize(): number {
    return Math.min(this.tokenizer?.vocabularySize ?? this.columns, this.columns);
  }

  /** Most tokens of prompt and continuation together; infinite where positions are rotations or distances. */
  get maxLength(): number {
    return Number(this.manifest.config.maxPositions ?? Number.POSITIVE_INFINITY);
  }

  get readsChunksExactly(): boolean {
    return !this.manifest.quantisation;
  }

  /** The longest text the model was made for, in tokens. */
  get trainedLength(): number {
    return Number(this.manifest.config.trainedPositions ?? this.maxLength);
  }

  /** The tokenizer, or an UnsupportedError that says why text cannot be read. */
  requireTokenizer(): Tokenizer {
    if (this.tokenizer) return this.tokenizer;
    throw new UnsupportedError(`${this.folder} has no tokenizer files, so it takes ids and no text`, {
      code: 'no-tokenizer',
    });
  }

  /** Reads a prompt: a cache of one row, and the logits after the prompt's last token. */
  async prefill(
    prompt: readonly number[],
    { room, signal }: PrefillOptions = {},
  ): Promise<{ cache: KeyValueCache; logits: Float32Array }> {
    const cache = new KeyValueCache(this.#session, {
      columns: this.columns,
      maxLength: this.maxLength,
      room,
      pasts: /^past_key_values\./,
      bindStep,
    });
    try {
      const [[logits]] = (await cache.append([prompt], { keep: 1, signal })) as [[Float32Array]];
      return { cache, logits };
    } catch (error) {
      await cache.dispose();
      throw error;
    }
  }

  /**
   * All positions of rows, without keeping a cache: for each row the named outputs in order. Positions whose
   * attention_mask is 0 are left out of the computation and 0 in the result.
   */
  async run(rows: readonly Row[], outputs: readonly string[], signal?: AbortSignal): Promise<RowOutput[][]> {
    const unknown = outputs.find((name) => !this.outputs.includes(name));
    if (unknown !== undefined)
      throw new UnsupportedError(
        `${this.manifest.name} has no output "${unknown}"; it has ${this.outputs.join(', ')}`,
        { code: 'missing-output' },
      );
    const results: RowOutput[][] = [];
    for (const [index, row] of rows.entries()) results.push(await this.#runRow(row, index, outputs, signal));
    return results;
  }

  /** Frees the session; runs under way end first. Caches must be disposed before. */
  dispose(): Promise<void> {
    return this.#session.dispose();
  }

  async #runRow(row: Row, index: number, outputs: readonly string[], signal?: AbortSignal): Promise<RowOutput[]> {
    const used = row.ids.flatMap((_, t) => (row.attentionMask?.[t] === 0 ? [] : [t]));
    const positions = row.positionIds ?? used.map((_, k) => k);
    this.#check(row, used, index);
    const ids = used.map((t) => row.ids[t]!);
    const feeds = {
      input_ids: int64Tensor([ids]),
      attention_mask: int64Tensor([ids.map(() => 1)]),
      position_ids: int64Tensor([row.positionIds ? used.map((t) => positions[t]!) : positions]),
      ...emptyPast(this.#graph),
    };
    const graphNames = outputs.map((name) => this.#graph.outputs.find((output) => output.name === name)!.graphName);
    const results = await this.#session.run(feeds, graphNames, signal ? { signal } : {});
    return graphNames.map((name) => {
      const tensor = results[name]!;
      const width = tensor.shape[2]!;
      const packed = toFloat32(tensor);
      if (used.length === row.ids.length) return { shape: [row.ids.length, width], values: packed };
      const values = new Float32Array(row.ids.length * width);
      for (const [k, t] of used.entries()) values.set(packed.subarray(k * width, (k + 1) * width), t * width);
      return { shape: [row.ids.length, width], values };
    });
  }

  #check(row: Row, used: readonly number[], index: number): void {
    const bad = (message: string): UsageError =>
      new UsageError(`row ${index}: ${message}`, { code: 'bad-row', facts: { row: index } });
    if (used.length === 0) throw bad('input_ids is empty');
    const limit = Number(this.manifest.config.maxPositions ?? Number.POSITIVE_INFINITY);
    if (used.length > limit) throw bad(`${used.length} tokens; ${this.manifest.name} takes at most ${limit}`);
    const wrong = row.ids.find((id) => !Number.isInteger(id) || id < 0 || id >= this.columns);
    if (wrong !== undefined) throw bad(`input_ids: expected integers from 0 to ${this.columns - 1}, found ${wrong}`);
    for (const [name, values] of [
      ['attention_mask', row.attentionMask],
      ['position_ids', row.positionIds],
    ] as const)
      if (values && values.length !== row.ids.length)
        throw bad(`${name} has ${values.length} numbers, input_ids ${row.ids.length}`);
    const place = row.positionIds?.find((position) => position < 0 || position >= limit);
    if (place !== undefined) throw bad(`position_ids: expected integers from 0 to ${limit - 1}, found ${place}`);
  }
}

/** The graph with a key/value cache, if the model has one. */
export function decoderGraph(manifest: Manifest): ManifestGraph | undefined {
  return manifest.graphs.find(
    ({ name, inputs }) => name !== 'probe' && inputs.some((input) => input.name.startsWith('past_key_values.')),
  );
}

/** A past of length 0 for one row, for runs without a cache. */
export function emptyPast(graph: ManifestGraph): Record<string, ReturnType<typeof zeros>> {
  const past = graph.inputs.filter(({ name }) => name.startsWith('past_key_values.'));
  return Object.fromEntries(
    past.map(({ name, shape }) => [name, zeros('float32', [1, Number(shape[1]), 0, Number(shape[3])])]),
  );
}

// --- internal ---

/** Positions go on where the cache ends; every token of every row is real. */
function bindStep(binding: Binding, { past, tokens }: Step): void {
  const count = tokens[0]!.length;
  const places = Array.from({ length: count }, (_, t) => past + t);
  binding
    .input('position_ids', int64Tensor(tokens.map(() => places)))
    .input('attention_mask', int64Tensor(tokens.map(() => new Array<number>(past + count).fill(1))));
}
