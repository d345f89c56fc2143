/** Options of a generation, with the names and the meaning of Hugging Face transformers' GenerationConfig (v4.57). */
import { UsageError } from '../util/errors.ts';

export interface GenerationOptions {
  /** Most tokens after the prompt. @default 64 */
  readonly maxNewTokens?: number | undefined;
  /** No end token before so many. @default 0 */
  readonly minNewTokens?: number | undefined;
  /** Sample instead of taking the likeliest. @default true when temperature, topK, topP, minP, typicalP or seed is given */
  readonly doSample?: boolean | undefined;
  /** Divides the logits; above 0. @default 1 */
  readonly temperature?: number | undefined;
  /** Only the k likeliest; 0 = all. @default 0 */
  readonly topK?: number | undefined;
  /** Only the likeliest that together have this probability, in (0, 1]. @default 1 */
  readonly topP?: number | undefined;
  /** Only tokens with at least this share of the likeliest's probability, in [0, 1]. @default 0 */
  readonly minP?: number | undefined;
  /** Locally typical sampling, in (0, 1]. @default 1 */
  readonly typicalP?: number | undefined;
  /** Divides (multiplies, when negative) the logits of tokens that occurred; above 0. @default 1 */
  readonly repetitionPenalty?: number | undefined;
  /** No n-gram of this size twice; 0 = off. @default 0 */
  readonly noRepeatNgramSize?: number | undefined;
  /** Token sequences that must not appear. @default none */
  readonly badWordsIds?: readonly (readonly number[])[] | undefined;
  /** Tokens that must not appear. @default none */
  readonly suppressTokens?: readonly number[] | undefined;
  /** Tokens that end a sequence. @default none */
  readonly eosTokenIds?: readonly number[] | undefined;
  /** Above 1: beam search. @default 1 */
  readonly numBeams?: number | undefined;
  /** @default 1 */
  readonly numReturnSequences?: number | undefined;
  /** Exponent of the length by which a beam's score is divided. @default 1 */
  readonly lengthPenalty?: number | undefined;
  /** When beam search ends, see transformers. @default false */
  readonly earlyStopping?: boolean | 'never' | undefined;
  /** The same seed gives the same text on every machine that computes the same logits. @default 0 */
  readonly seed?: number | undefined;
  /** Guess tokens from the text so far and check several at once: same tokens, fewer steps. @default true for greedy */
  readonly promptLookup?: boolean | undefined;
}

/** GenerationOptions with every default filled in. */
export type GenerationSettings = {
  readonly [K in keyof GenerationOptions]-?: Exclude<GenerationOptions[K], undefined>;
};

/** Fills in the defaults. Throws UsageError, showing the value, for what is out of range or contradicts itself. */
export function normalizeOptions(options: GenerationOptions): GenerationSettings {
  const samplers = [options.temperature, options.topK, options.topP, options.minP, options.typicalP, options.seed];
  const numBeams = options.numBeams ?? 1;
  const doSample = options.doSample ?? samplers.some((value) => value !== undefined);
  const settings: GenerationSettings = {
    maxNewTokens: options.maxNewTokens ?? 64,
    minNewTokens: options.minNewTokens ?? 0,
    doSample,
    temperature: options.temperature ?? 1,
    topK: options.topK ?? 0,
    topP: options.topP ?? 1,
    minP: options.minP ?? 0,
    typicalP: options.typicalP ?? 1,
    repetitionPenalty: options.repetitionPenalty ?? 1,
    noRepeatNgramSize: options.noRepeatNgramSize ?? 0,
    badWordsIds: options.badWordsIds ?? [],
    suppressTokens: options.suppressTokens ?? [],
    eosTokenIds: options.eosTokenIds ?? [],
    numBeams,
    numReturnSequences: options.numReturnSequences ?? 1,
    lengthPenalty: options.lengthPenalty ?? 1,
    earlyStopping: options.earlyStopping ?? false,
    seed: options.seed ?? 0,
    promptLookup: options.promptLookup ?? (numBeams === 1 && !doSample),
  };
  for (const [name, range, isGood] of RANGES)
    if (!isGood(settings[name] as number)) throw bad(`${name}: expected ${range}, found ${settings[name]}`);
  checkCombinations(settings, options);
  return settings;
}

// --- internal ---

const isCount = (least: number) => (value: number) => Number.isInteger(value) && value >= least;

const RANGES: readonly (readonly [keyof GenerationSettings, string, (value: number) => boolean])[] = [
  ['maxNewTokens', 'a whole number from 1 on', isCount(1)],
  ['minNewTokens', 'a whole number from 0 on', isCount(0)],
  ['temperature', 'a number above 0', (value) => value > 0 && Number.isFinite(value)],
  ['topK', 'a whole number from 0 on', isCount(0)],
  ['topP', 'a number above 0, at most 1', (value) => value > 0 && value <= 1],
  ['minP', 'a number from 0 to 1', (value) => value >= 0 && value <= 1],
  ['typicalP', 'a number above 0, at most 1', (value) => value > 0 && value <= 1],
  ['repetitionPenalty', 'a number above 0', (value) => value > 0 && Number.isFinite(value)],
  ['noRepeatNgramSize', 'a whole number from 0 on', isCount(0)],
  ['numBeams', 'a whole number from 1 on', isCount(1)],
  ['numReturnSequences', 'a whole number from 1 on', isCount(1)],
  ['lengthPenalty', 'a number', Number.isFinite],
  ['seed', 'a whole number from 0 on', isCount(0)],
];

function checkCombinations(settings: GenerationSettings, given: GenerationOptions): void {
  const { numBeams, numReturnSequences, doSample, minNewTokens, maxNewTokens } = settings;
  if (minNewTokens > maxNewTokens) throw bad(`minNewTokens ${minNewTokens} is more than maxNewTokens ${maxNewTokens}`);
  if (numBeams > 1 && doSample) throw bad(`numBeams ${numBeams}: beam search and sampling exclude each other`);
  if (numBeams > 1 && numReturnSequences > numBeams)
    throw bad(`numReturnSequences ${numReturnSequences}: at most numBeams ${numBeams}`);
  if (numBeams === 1 && !doSample && numReturnSequences > 1)
    throw bad(`numReturnSequences ${numReturnSequences}: greedy search gives one; sample, or search with beams`);
  if (numBeams === 1 && (given.lengthPenalty !== undefined || given.earlyStopping !== undefined))
    throw bad('lengthPenalty and earlyStopping need numBeams above 1');
  if (settings.promptLookup && (numBeams > 1 || doSample))
    throw bad('promptLookup is for greedy search: with sampling or beams it would not be exact');
}

function bad(message: string): UsageError {
  return new UsageError(message, { code: 'bad-generation-option' });
}
