/** text-generation and text2text-generation: a prompt in, one or more continuations out, as text while they come. */

import { generate } from '../generation/generate.ts';
import type { LanguageModel } from '../generation/language-model.ts';
import type { GenerationOptions } from '../generation/options.ts';
import type { Sequence, TokenEvent } from '../generation/sequence.ts';
import { StopStrings } from '../generation/stop-strings.ts';
import { type Manifest, readManifest } from '../registry/manifest.ts';
import type { StreamDecoder, Tokenizer } from '../tokenizers/tokenizer.ts';
import { UnsupportedError, UsageError } from '../util/errors.ts';
import { Decoder, decoderGraph } from './decoder.ts';
import { Encoder, type OpenModelOptions } from './encoder.ts';
import { EncoderDecoder } from './encoder-decoder.ts';
import { RecomputingModel } from './recomputing-model.ts';
import { endToken, startToken } from './special-tokens.ts';

/** How Zhouwenwang reads while it writes: left to right with a cache, or everything anew in both directions. */
export type LmMask = 'causal' | 'bidirectional';

export interface OpenGeneratorOptions extends OpenModelOptions {
  /** @default "causal" */
  readonly lmMask?: LmMask | undefined;
}

/** What is continued: a text, or ids. An encoder-decoder reads `ids` as its source and begins with `decoderIds`. */
export type Prompt =
  | { readonly text: string }
  | { readonly ids: readonly number[]; readonly decoderIds?: readonly number[] | undefined };

export interface GenerateOptions extends GenerationOptions {
  /** Strings that end a text; they are not part of it. */
  readonly stop?: readonly string[] | undefined;
  /** Text as soon as it is certain. */
  readonly onText?: ((event: { readonly sequence: number; readonly text: string }) => void) | undefined;
  readonly onToken?: ((event: TokenEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface GeneratedSequence extends Sequence {
  /** The continuation without the prompt; special tokens left out. */
  readonly text: string;
}

export interface Generation {
  /** Tokens of the prompt (of the source and the decoder's beginning, for encoder-decoders). */
  readonly promptTokens: number;
  readonly sequences: readonly GeneratedSequence[];
  readonly prefillMs: number;
  readonly decodeMs: number;
}

export class Generator {
  readonly manifest: Manifest;
  readonly #model: Decoder | EncoderDecoder | Encoder;

  private constructor(model: Decoder | EncoderDecoder | Encoder) {
    this.#model = model;
    this.manifest = model.manifest;
  }

  /** Opens a model folder that can generate. Throws UnsupportedError for others, and for a mask that it has not. */
  static async open(folder: string, options: OpenGeneratorOptions = {}): Promise<Generator> {
    const manifest = await readManifest(folder);
    const { lmMask = 'causal' } = options;
    if (EncoderDecoder.canOpen(manifest)) return new Generator(await EncoderDecoder.open(folder, options));
    if (lmMask === 'causal' && decoderGraph(manifest)) return new Generator(await Decoder.open(folder, options));
    if (lmMask === 'bidirectional' && manifest.config.typesAreMask)
      return new Generator(await Encoder.open(folder, options));
    throw new UnsupportedError(
      lmMask === 'causal'
        ? `${manifest.name} (${manifest.architecture}) cannot generate`
        : `${manifest.name} (${manifest.architecture}) has no bidirectional generation`,
      { code: 'cannot-generate', hint: 'fsb list --task text-generation' },
    );
  }

  get device(): string {
    return this.#model.device;
  }

  /** The tokenizer, or an UnsupportedError. */
  requireTokenizer(): Tokenizer {
    return this.#model.requireTokenizer();
  }

  /** Continues a prompt. Throws UsageError for an empty one, and for one that leaves no room in the context. */
  async generate(prompt: Prompt, options: GenerateOptions = {}): Promise<Generation> {
    const started = performance.now();
    const { language, ids, promptTokens } = await this.#read(prompt, options.signal);
    const end = endToken(this.#model);
    const stop = options.stop ?? [];
    if (stop.length > 0) this.requireTokenizer(); // without one, no text could be compared
    const texts = new TextStreams(this.#model.tokenizer, stop, options.onText);
    let firstTokenAt: number | undefined;
    const sequences = await generate(
      language,
      ids,
      { ...options, eosTokenIds: options.eosTokenIds ?? (end === undefined ? [] : [end]) },
      {
        signal: options.signal,
        onToken: (event) => {
          firstTokenAt ??= performance.now();
          options.onToken?.(event);
          texts.push(event.sequence, event.id);
        },
        shouldStop: (sequence) => texts.isStopped(sequence),
        isComplete: stop.length > 0 ? (tokens) => texts.isComplete(tokens) : undefined,
      },
    );
    const ended = performance.now();
    firstTokenAt ??= ended; // beams report no tokens on the way
    return {
      promptTokens,
      sequences: sequences.map((sequence, i) => ({ ...sequence, text: texts.finish(i, sequence.tokens) })),
      prefillMs: firstTokenAt - started,
      decodeMs: ended - firstTokenAt,
    };
  }

  /** Frees the sessions. */
  dispose(): Promise<void> {
    return this.#model.dispose();
  }

  async #read(
    prompt: Prompt,
    signal?: AbortSignal,
  ): Promise<{ language: LanguageModel; ids: readonly number[]; promptTokens: number }> {
    const model = this.#model;
    if (model instanceof EncoderDecoder) {
      const source = 'text' in prompt ? model.requireTokenizer().encodeIds(prompt.text).ids : prompt.ids;
      const start = ('ids' in prompt ? prompt.decoderIds : undefined) ?? [this.#requireStart()];
      return {
        language: await model.withSource(source, signal),
        ids: start,
        promptTokens: source.length + start.length,
      };
    }
    const ids = 'text' in prompt ? this.#promptIds(prompt.text) : prompt.ids;
    return { language: model instanceof Encoder ? new RecomputingModel(model) : model, ids, promptTokens: ids.length };
  }

  /** The token that begins a text, where the model has one, and the text without special tokens. */
  #promptIds(text: string): number[] {
    const start = startToken(this.#model);
    if (text === '' && start === undefined)
      throw new UsageError('the prompt is empty: this model needs at least one token to continue', {
        code: 'empty-prompt',
      });
    const { ids } = this.#model.requireTokenizer().encodeIds(text, { addSpecialTokens: false });
    return start === undefined ? ids : [start, ...ids];
  }

  #requireStart(): number {
    const id = startToken(this.#model);
    if (id !== undefined) return id;
    throw new UsageError(`${this.manifest.name} names no token that the decoder begins with; give decoder_input_ids`, {
      code: 'no-start-token',
    });
  }
}

// --- internal ---

/** The texts of several sequences while their tokens come; whole characters only, and nothing of a stop string. */
class TextStreams {
  readonly #tokenizer: Tokenizer | undefined;
  readonly #stop: readonly string[];
  readonly #onText: GenerateOptions['onText'];
  readonly #streams = new Map<number, { decoder: StreamDecoder; stop: StopStrings; text: string }>();

  constructor(tokenizer: Tokenizer | undefined, stop: readonly string[], onText: GenerateOptions['onText']) {
    this.#tokenizer = tokenizer;
    this.#stop = stop;
    this.#onText = onText;
  }

  push(sequence: number, id: number): void {
    const stream = this.#stream(sequence);
    if (stream) this.#show(sequence, stream.stop.push(stream.decoder.push(id)));
  }

  isStopped(sequence: number): boolean {
    return this.#streams.get(sequence)?.stop.isStopped ?? false;
  }

  /** Whether the text of a beam holds a stop string: beams are not streams, so each is read anew. */
  isComplete(tokens: readonly number[]): boolean {
    const text = this.#tokenizer?.decode(tokens, { skipSpecialTokens: true, joinChinese: true }) ?? '';
    return this.#stop.some((stop) => text.includes(stop));
  }

  /** The whole text of a finished sequence; tokens of beams arrive here at once. */
  finish(sequence: number, tokens: readonly number[]): string {
    if (!this.#streams.has(sequence)) for (const id of tokens) this.push(sequence, id);
    const stream = this.#stream(sequence);
    if (!stream) return '';
    this.#show(sequence, stream.stop.push(stream.decoder.end()));
    this.#show(sequence, stream.stop.end());
    return stream.text;
  }

  #show(sequence: number, text: string): void {
    if (text === '') return;
    this.#streams.get(sequence)!.text += text;
    this.#onText?.({ sequence, text });
  }

  #stream(sequence: number) {
    if (!this.#tokenizer) return undefined;
    const known = this.#streams.get(sequence);
    if (known) return known;
    const decoder = this.#tokenizer.decoder({ skipSpecialTokens: true, joinChinese: true });
    const stream = { decoder, stop: new StopStrings(this.#stop), text: '' };
    this.#streams.set(sequence, stream);
    return stream;
  }
}
