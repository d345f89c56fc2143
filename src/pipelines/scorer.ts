/**
 * How likely a model finds a text, or each of some candidates for a place in it. Left to right for decoders and
 * encoder-decoders; for masked language models each token masked in turn, or the candidates in the place of [MASK].
 */
import { scoreContinuations } from '../generation/score.ts';
import { type Manifest, readManifest } from '../registry/manifest.ts';
import { logSumExp } from '../tensor/math.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import { UnsupportedError, UsageError } from '../util/errors.ts';
import { continuationScores } from './continuations.ts';
import { Decoder, decoderGraph } from './decoder.ts';
import { Encoder, type OpenModelOptions, type RowOutput } from './encoder.ts';
import { EncoderDecoder } from './encoder-decoder.ts';
import { startToken } from './special-tokens.ts';

export interface CandidateScore {
  readonly candidate: string;
  /** Natural logarithm; the sum over its tokens. */
  readonly logProbability: number;
  readonly tokens: readonly number[];
  /** One per token. */
  readonly perToken: readonly number[];
}

export interface TextScore {
  readonly tokens: readonly number[];
  readonly perToken: readonly number[];
  readonly logProbability: number;
  /** exp(−mean log-probability per scored token). */
  readonly perplexity: number;
}

/** Rows that are run together when every position is masked in turn. */
const MASKED_ROWS = 32;

export class Scorer {
  readonly manifest: Manifest;
  readonly #model: Decoder | EncoderDecoder | Encoder;

  private constructor(model: Decoder | EncoderDecoder | Encoder) {
    this.#model = model;
    this.manifest = model.manifest;
  }

  /** Opens a model folder. Throws UnsupportedError when nothing in it gives tokens a probability. */
  static async open(folder: string, options: OpenModelOptions = {}): Promise<Scorer> {
    const manifest = await readManifest(folder);
    if (EncoderDecoder.canOpen(manifest)) return new Scorer(await EncoderDecoder.open(folder, options));
    // Zhouwenwang can do both: as a decoder it gives a true probability, masks only a pseudo-likelihood
    if (decoderGraph(manifest)) return new Scorer(await Decoder.open(folder, options));
    const encoder = await Encoder.open(folder, options);
    if (encoder.has('mlm_logits')) return new Scorer(encoder);
    await encoder.dispose();
    throw new UnsupportedError(`${manifest.name} has no language model head: it gives tokens no probability`, {
      code: 'cannot-score',
    });
  }

  /** A token's text in the vocabulary. */
  tokenOf(id: number): string {
    return this.#model.requireTokenizer().tokenOf(id) ?? '';
  }

  /** Candidates with their scores, likeliest first. */
  async rank(text: string, candidates: readonly string[], signal?: AbortSignal): Promise<CandidateScore[]> {
    const model = this.#model;
    const tokenizer = model.requireTokenizer();
    const ids = candidates.map((candidate) => {
      const tokens = tokenizer.encodeIds(candidate, { addSpecialTokens: false }).ids;
      if (tokens.length === 0)
        throw new UsageError(`candidate ${JSON.stringify(candidate)} has no tokens`, { code: 'empty-candidate' });
      return tokens;
    });
    const perToken =
      model instanceof Encoder
        ? await this.#atMasks(model, tokenizer, text, ids, signal)
        : await this.#after(model, tokenizer, text, ids, signal);
    return candidates
      .map((candidate, i) => ({
        candidate,
        logProbability: sum(perToken[i]!),
        tokens: ids[i]!,
        perToken: perToken[i]!,
      }))
      .sort((a, b) => b.logProbability - a.logProbability);
  }

  /** The text itself. Decoders cannot score the first token unless a start token stands before it. */
  async score(text: string, signal?: AbortSignal): Promise<TextScore> {
    const model = this.#model;
    const tokenizer = model.requireTokenizer();
    if (model instanceof EncoderDecoder)
      throw new UsageError('an encoder-decoder scores candidates for a source text; give --candidates', {
        code: 'no-candidates',
      });
    if (model instanceof Encoder) {
      const { ids } = tokenizer.encodeIds(text);
      const tokens = ids.slice(1, -1);
      return textScore(tokens, await this.#maskedInTurn(model, ids, tokenizer, signal));
    }
    const ids = tokenizer.encodeIds(text, { addSpecialTokens: false }).ids;
    const start = startToken(model);
    const [prompt, rest] = start === undefined ? [ids.slice(0, 1), ids.slice(1)] : [[start], ids];
    if (rest.length === 0)
      throw new UsageError('the text has no token that could be scored', { code: 'text-too-short' });
    const [perToken] = await scoreContinuations(model, prompt, [rest], signal);
    return textScore(rest, perToken!);
  }

  /** Frees the sessions. */
  dispose(): Promise<void> {
    return this.#model.dispose();
  }

  async #after(
    model: Decoder | EncoderDecoder,
    tokenizer: Tokenizer,
    text: string,
    candidates: readonly number[][],
    signal?: AbortSignal,
  ): Promise<number[][]> {
    if (model instanceof EncoderDecoder)
      return continuationScores(model, tokenizer.encodeIds(text).ids, candidates, signal);
    const start = startToken(model);
    const ids = tokenizer.encodeIds(text, { addSpecialTokens: false }).ids;
    return continuationScores(model, start === undefined ? ids : [start, ...ids], candidates, signal);
  }

  /** One [MASK] of the text becomes as many as the candidate has tokens; all are read at once. */
  async #atMasks(
    model: Encoder,
    tokenizer: Tokenizer,
    text: string,
    candidates: readonly number[][],
    signal?: AbortSignal,
  ): Promise<number[][]> {
    const mask = tokenizer.specialTokens.mask;
    const { ids } = tokenizer.encodeIds(text);
    const at = ids.indexOf(mask?.id ?? -1);
    if (!mask || at < 0 || ids.indexOf(mask.id, at + 1) >= 0)
      throw new UsageError(
        `expected one ${mask?.token ?? '[MASK]'} in ${JSON.stringify(text)}, where the candidates go`,
        { code: 'no-mask' },
      );
    const rows = candidates.map((candidate) => ({
      ids: [...ids.slice(0, at), ...candidate.map(() => mask.id), ...ids.slice(at + 1)],
    }));
    const masks = candidates.map((candidate) => candidate.map((_, k) => at + k));
    const logits = await model.logitsAt(rows, masks, { signal });
    return candidates.map((candidate, i) => candidate.map((id, k) => logProbability(logits[i]!, k, id)));
  }

  /** Log-probabilities of all tokens but the first and last (special ones), each masked in turn. */
  async #maskedInTurn(
    model: Encoder,
    ids: readonly number[],
    tokenizer: Tokenizer,
    signal?: AbortSignal,
  ): Promise<number[]> {
    const mask = tokenizer.specialTokens.mask;
    if (!mask) throw new UnsupportedError(`${this.manifest.name} has no mask token`, { code: 'no-mask-token' });
    const positions = ids.slice(1, -1).map((_, k) => k + 1);
    const scores: number[] = [];
    for (let from = 0; from < positions.length; from += MASKED_ROWS) {
      const batch = positions.slice(from, from + MASKED_ROWS);
      const logits = await model.logitsAt(
        batch.map((at) => ({ ids: ids.with(at, mask.id) })),
        batch.map((at) => [at]),
        { signal },
      );
      scores.push(...batch.map((at, i) => logProbability(logits[i]!, 0, ids[at]!)));
    }
    return scores;
  }
}

// --- internal ---

/** Of a token, from row k of logits (positions, columns). */
function logProbability({ shape, values }: RowOutput, k: number, id: number): number {
  const columns = shape[1]!;
  const row = values.subarray(k * columns, (k + 1) * columns);
  return row[id]! - logSumExp(row);
}

function textScore(tokens: readonly number[], perToken: readonly number[]): TextScore {
  const total = sum(perToken);
  return { tokens, perToken, logProbability: total, perplexity: Math.exp(-total / perToken.length) };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
