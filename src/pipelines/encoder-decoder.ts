/**
 * An encoder-decoder ready to run: a source is read once by the encoder, its keys and values are computed once by the
 * decoder, then tokens are appended as with any decoder.
 */
import path from 'node:path';
import { openSession } from '../engine/open-session.ts';
import type { Binding, Session } from '../engine/session.ts';
import { int64Tensor, type Tensor, toFloat32 } from '../engine/tensor.ts';
import type { PrefillOptions } from '../generation/language-model.ts';
import { type Manifest, type ManifestGraph, readManifest } from '../registry/manifest.ts';
import { openTokenizer } from '../tokenizers/open.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import { UnsupportedError, UsageError } from '../util/errors.ts';
import { type CacheStore, openCache } from './cache-store.ts';
import { emptyPast } from './decoder.ts';
import type { OpenModelOptions, Row, RowOutput } from './encoder.ts';
import { KeyValueCache, type Step } from './key-value-cache.ts';

const DECODER_PAST = /^past_key_values\.\d+\.decoder\./;
const ENCODER_PAST = /^past_key_values\.\d+\.encoder\./;

/** A source as the encoder left it. */
interface Memory {
  /** (1, T′, H) */
  readonly hidden: Tensor<'float32'>;
  readonly mask: readonly number[];
}

export class EncoderDecoder {
  readonly manifest: Manifest;
  readonly folder: string;
  readonly tokenizer: Tokenizer | undefined;
  readonly #encoder: Session;
  readonly #decoder: Session;
  readonly #graph: ManifestGraph;

  private constructor(
    folder: string,
    manifest: Manifest,
    sessions: { encoder: Session; decoder: Session },
    graph: ManifestGraph,
    tokenizer: Tokenizer | undefined,
  ) {
    this.folder = folder;
    this.manifest = manifest;
    this.tokenizer = tokenizer;
    this.#encoder = sessions.encoder;
    this.#decoder = sessions.decoder;
    this.#graph = graph;
  }

  /** True when the model has both graphs. */
  static canOpen(manifest: Manifest): boolean {
    return ['encoder_model', 'decoder_model_merged'].every((part) => manifest.graphs.some(({ name }) => name === part));
  }

  /** Opens a model folder. Throws UnsupportedError when it is no encoder-decoder. */
  static async open(folder: string, options: OpenModelOptions = {}): Promise<EncoderDecoder> {
    const manifest = await readManifest(folder);
    const [encoderGraph, decoderGraph] = ['encoder_model', 'decoder_model_merged'].map((part) =>
      manifest.graphs.find(({ name }) => name === part),
    );
    if (!encoderGraph || !decoderGraph)
      throw new UnsupportedError(`${manifest.name} (${manifest.architecture}) is no encoder-decoder`, {
        code: 'not-an-encoder-decoder',
      });
    const tokenizer = manifest.tokenizer ? await openTokenizer(folder) : undefined;
    const encoder = await openSession(path.join(folder, encoderGraph.file), options);
    try {
      const decoder = await openSession(path.join(folder, decoderGraph.file), options);
      return new EncoderDecoder(folder, manifest, { encoder, decoder }, decoderGraph, tokenizer);
    } catch (error) {
      await encoder.dispose();
      throw error;
    }
  }

  get device(): string {
    return this.#decoder.device;
  }

  get runtime(): string {
    return this.#decoder.runtime;
  }

  get outputs(): readonly string[] {
    return ['encoder_last_hidden_state', 'decoder_last_hidden_state', 'logits'];
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

  /** Reads a source; the result continues decoder prompts. The caller disposes the caches it makes. */
  async withSource(source: readonly number[], signal?: AbortSignal): Promise<SourceModel> {
    this.#check({ ids: source }, 0);
    const memory = await this.#encode(
      source,
      source.map(() => 1),
      signal,
    );
    return new SourceModel(this, this.#decoder, memory);
  }

  /** All positions of rows: for each row the named outputs in order. */
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

  /** Frees the sessions; runs under way end first. Caches must be disposed before. */
  async dispose(): Promise<void> {
    await Promise.all([this.#encoder.dispose(), this.#decoder.dispose()]);
  }

  async #encode(ids: readonly number[], mask: readonly number[], signal?: AbortSignal): Promise<Memory> {
    const feeds = { input_ids: int64Tensor([ids]), attention_mask: int64Tensor([mask]) };
    const { last_hidden_state: hidden } = await this.#encoder.run(
      feeds,
      ['last_hidden_state'],
      signal ? { signal } : {},
    );
    return { hidden: hidden as Tensor<'float32'>, mask };
  }

  async #runRow(row: Row, index: number, outputs: readonly string[], signal?: AbortSignal): Promise<RowOutput[]> {
    this.#check(row, index);
    const memory = await this.#encode(row.ids, row.attentionMask ?? row.ids.map(() => 1), signal);
    const values: Record<string, RowOutput> = { encoder_last_hidden_state: rowOf(memory.hidden) };
    const wanted = outputs.filter((name) => name !== 'encoder_last_hidden_state');
    if (wanted.length > 0) {
      if (!row.decoderIds?.length)
        throw new UsageError(`row ${index}: ${wanted.join(' and ')} need decoder_input_ids`, { code: 'bad-row' });
      const feeds = {
        input_ids: int64Tensor([row.decoderIds]),
        encoder_hidden_states: memory.hidden,
        encoder_attention_mask: int64Tensor([memory.mask]),
        use_cache_branch: { dtype: 'bool', shape: [1], data: Uint8Array.of(0) } as const,
        ...emptyPast(this.#graph),
      };
      const results = await this.#decoder.run(feeds, wanted, signal ? { signal } : {});
      for (const name of wanted) values[name] = rowOf(results[name]!);
    }
    return outputs.map((name) => values[name]!);
  }

  #check(row: Row, index: number): void {
    const bad = (message: string): UsageError =>
      new UsageError(`row ${index}: ${message}`, { code: 'bad-row', facts: { row: index } });
    const limit = Number(this.manifest.config.maxPositions ?? Number.POSITIVE_INFINITY);
    for (const [name, ids] of [
      ['input_ids', row.ids],
      ['decoder_input_ids', row.decoderIds ?? [0]],
    ] as const) {
      if (ids.length === 0) throw bad(`${name} is empty`);
      if (ids.length > limit) throw bad(`${name}: ${ids.length} tokens; ${this.manifest.name} takes at most ${limit}`);
      const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= this.columns);
      if (wrong !== undefined) throw bad(`${name}: expected integers from 0 to ${this.columns - 1}, found ${wrong}`);
    }
    if (row.attentionMask && row.attentionMask.length !== row.ids.length)
      throw bad(`attention_mask has ${row.attentionMask.length} numbers, input_ids ${row.ids.length}`);
  }
}

/** A decoder that answers one source: the language model that generation is written against. */
export class SourceModel {
  readonly #model: EncoderDecoder;
  readonly #session: Session;
  readonly #memory: Memory;

  constructor(model: EncoderDecoder, session: Session, memory: Memory) {
    this.#model = model;
    this.#session = session;
    this.#memory = memory;
  }

  get columns(): number {
    return this.#model.columns;
  }

  get vocabularySize(): number {
    return this.#model.vocabularySize;
  }

  get maxLength(): number {
    return this.#model.maxLength;
  }

  get readsChunksExactly(): boolean {
    return !this.#model.manifest.quantisation;
  }

  /** Reads a decoder prompt: a cache of one row, and the logits after its last token. */
  async prefill(
    prompt: readonly number[],
    { room, signal }: PrefillOptions = {},
  ): Promise<{ cache: KeyValueCache; logits: Float32Array }> {
    if (!this.#session.inputNames.includes('past_length'))
      throw new UnsupportedError(
        'an encoder-decoder generates through the C API of ONNX Runtime; its JavaScript API cannot say how much of the cache is used',
        {
          code: 'runtime-unavailable',
          hint: 'unset FSB_RUNTIME, or see `fsb doctor` for why the C API cannot be loaded',
        },
      );
    const source = await this.#readSource(signal);
    const cache = new KeyValueCache(this.#session, {
      columns: this.columns,
      maxLength: this.maxLength,
      room,
      pasts: DECODER_PAST,
      bindStep: (binding, step) => source.bindStep(binding, step),
      onRearrange: (parents) => source.rearrange(parents),
      onDispose: () => source.release(),
    });
    try {
      const [[logits]] = (await cache.append([prompt], { keep: 1, signal })) as [[Float32Array]];
      return { cache, logits };
    } catch (error) {
      await cache.dispose();
      throw error;
    }
  }

  /** Computes the encoder's keys and values, once: a run of the decoder on one token whose other results are dropped. */
  async #readSource(signal?: AbortSignal): Promise<SourceCache> {
    const arrays = openCache(this.#session, ENCODER_PAST);
    const own = openCache(this.#session, DECODER_PAST);
    const binding = this.#session.createBinding();
    try {
      arrays.bindEmptyPast(binding);
      own.bindEmptyPast(binding);
      await arrays.rearrange([0], 0, this.#memory.mask.length);
      arrays.bind(binding, { past: false, present: true });
      binding.input('input_ids', int64Tensor([[0]]));
      bindMemory(binding, this.#memory, { rows: 1, cached: false });
      await binding.run(signal ? { signal } : {});
    } catch (error) {
      arrays.release();
      throw error;
    } finally {
      await binding.dispose();
    }
    return new SourceCache(arrays, this.#memory);
  }
}

// --- internal ---

/** The encoder's keys and values, for as many rows as the decoder has. */
class SourceCache {
  readonly #arrays: CacheStore;
  readonly #memory: Memory;
  #isBound = false;

  constructor(arrays: CacheStore, memory: Memory) {
    this.#arrays = arrays;
    this.#memory = memory;
  }

  async rearrange(parents: readonly number[]): Promise<void> {
    // every row answers the same source: only their number matters
    if (parents.length === this.#arrays.rows) return;
    await this.#arrays.rearrange(
      parents.map(() => 0),
      this.#memory.mask.length,
      this.#memory.mask.length,
    );
    this.#isBound = false;
  }

  release(): void {
    this.#arrays.release();
  }

  bindStep(binding: Binding, { past, tokens }: Step): void {
    binding.input('past_length', { dtype: 'int64', shape: [1], data: BigInt64Array.of(BigInt(past)) });
    if (this.#isBound) return;
    bindMemory(binding, this.#memory, { rows: tokens.length, cached: true });
    this.#arrays.bind(binding, { past: true, present: false });
    this.#isBound = true;
  }
}

function bindMemory(
  binding: Binding,
  { hidden, mask }: Memory,
  { rows, cached }: { rows: number; cached: boolean },
): void {
  const data = new Float32Array(rows * hidden.data.length);
  for (let row = 0; row < rows; row++) data.set(hidden.data, row * hidden.data.length);
  const constant = true; // the source does not change: a GPU gets it once
  binding
    .input('encoder_hidden_states', { dtype: 'float32', shape: [rows, ...hidden.shape.slice(1)], data }, { constant })
    .input('encoder_attention_mask', int64Tensor(Array.from({ length: rows }, () => mask)), { constant })
    .input('use_cache_branch', { dtype: 'bool', shape: [1], data: Uint8Array.of(cached ? 1 : 0) }, { constant });
}

function rowOf(tensor: Tensor): RowOutput {
  return { shape: tensor.shape.slice(1), values: toFloat32(tensor) };
}
