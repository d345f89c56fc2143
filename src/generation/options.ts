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
  /**
   * Guess tokens from the text so far and check several at once: same tokens, fewer steps.
   * @default true for greedy search, where the model reads chunks exactly
   */
  readonly promptLookup?: boolean | undefined;
}

/** GenerationOptions with every default filled in. */
export type GenerationSettings = {
  readonly [K in keyof GenerationOptions]-?: Exclude<GenerationOptions[K], undefined>;
};

/** Fills in the defaults. Throws UsageError, showing the value, for what is out of range or contradicts itself. */
export function normalizeOptions(options: GenerationOptions): GenerationSettings {
  const numBeams = options.numBeams ?? 1;
  const doSample = options.doSample ?? SAMPLERS.some((name) => options[name] !== undefined);
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
  checkOthers(settings);
  checkCombinations(settings, options);
  return settings;
}

// --- internal ---

/** Giving one of these asks for sampling. */
const SAMPLERS = ['temperature', 'topK', 'topP', 'minP', 'typicalP', 'seed'] as const;

/** Every row has logits and a cache of its own: 256 rows of 50 000 columns are 51 MB a step, beside their caches. */
const MOST_ROWS = 256;

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
  ['numBeams', `a whole number from 1 to ${MOST_ROWS}`, (value) => isCount(1)(value) && value <= MOST_ROWS],
  ['numReturnSequences', `a whole number from 1 to ${MOST_ROWS}`, (value) => isCount(1)(value) && value <= MOST_ROWS],
  ['lengthPenalty', 'a number', Number.isFinite],
  ['seed', 'a whole number from 0 to 2^53 − 1', (value) => value >= 0 && Number.isSafeInteger(value)],
];

function checkOthers({ badWordsIds, earlyStopping, ...settings }: GenerationSettings): void {
  for (const [name, ids] of [
    ['eosTokenIds', settings.eosTokenIds],
    ['suppressTokens', settings.suppressTokens],
    ...badWordsIds.map((sequence) => ['badWordsIds', sequence] as const),
  ] as const)
    if (!ids.every(isCount(0))) throw bad(`${name}: expected whole numbers from 0 on, found ${JSON.stringify(ids)}`);
  if (badWordsIds.some((sequence) => sequence.length === 0))
    throw bad(`badWordsIds: expected sequences of one token or more, found ${JSON.stringify(badWordsIds)}`);
  if (![true, false, 'never'].includes(earlyStopping))
    throw bad(`earlyStopping: expected true, false or "never", found ${JSON.stringify(earlyStopping)}`);
}

function checkCombinations(settings: GenerationSettings, given: GenerationOptions): void {
  const { numBeams, numReturnSequences, doSample, minNewTokens, maxNewTokens } = settings;
  const sampler = SAMPLERS.find((name) => given[name] !== undefined);
  if (!doSample && sampler !== undefined)
    throw bad(`${sampler} ${given[sampler]} is for sampling, and doSample is false`);
  if (minNewTokens > maxNewTokens) throw bad(`minNewTokens ${minNewTokens} is more than maxNewTokens ${maxNewTokens}`);
  const asked = sampler === undefined ? 'doSample' : `${sampler} ${given[sampler]}`;
  if (numBeams > 1 && doSample) throw bad(`numBeams ${numBeams} and ${asked}: beams and sampling exclude each other`);
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
