/**
 * A Tokenizer from a model, its added tokens and settings: what the three kinds share. Follows the slow classes'
 * prepare_for_model (pairs, truncation, special tokens) and _decode.
 */
import { UsageError } from '../util/errors.ts';
import type { AddedTokens, Segment } from './added-tokens.ts';
import { padBatch } from './padding.ts';
import { ChineseJoiner, EdgeTrimmer } from './stream-filters.ts';
import { cleanUpEnglish, joinChinese } from './text-cleanup.ts';
import { type AlignedPieces, type PieceSink, pushPiece, pushPieces, type TokenModel } from './token-model.ts';
import type {
  DecodeOptions,
  EncodeIdsOptions,
  EncodeOptions,
  Encoding,
  IdEncoding,
  Offset,
  Side,
  SpecialRole,
  SpecialToken,
  StreamDecodeOptions,
  StreamDecoder,
  Tokenizer,
  TokenizerKind,
} from './tokenizer.ts';
import type { TokenizerSettings } from './tokenizer-settings.ts';
import { keptRange, tokensToRemove } from './truncation.ts';

/** The special tokens around a text and its pair. */
export interface Template {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly beforePair: readonly number[];
  readonly afterPair: readonly number[];
  /** Type of the pair's tokens and of the special ones around it; without special tokens all types are 0, as upstream. */
  readonly pairType: 0 | 1;
  /** Leave `after` out where the text ends with it already (T5's </s>). */
  readonly isEndOnce: boolean;
}

/** Special tokens are [0, 0] in offsets. */
const NOWHERE: Offset = [0, 0];
const NO_TEMPLATE: Template = { before: [], after: [], beforePair: [], afterPair: [], pairType: 0, isEndOnce: false };

export function createTokenizer(
  model: TokenModel,
  added: AddedTokens,
  settings: TokenizerSettings,
  template: Template,
): Tokenizer {
  return new ModelTokenizer(model, added, settings, template);
}

// --- internal ---

/** What of the texts stays, and the special tokens around them. */
interface Frame {
  readonly text: readonly [start: number, end: number];
  readonly pair: readonly [start: number, end: number];
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly beforePair: readonly number[];
  readonly afterPair: readonly number[];
  readonly pairType: 0 | 1;
}

class ModelTokenizer implements Tokenizer {
  readonly kind: TokenizerKind;
  readonly vocabularySize: number;
  readonly specialTokens: Readonly<Partial<Record<SpecialRole, SpecialToken>>>;
  readonly specialIds: ReadonlySet<number>;
  readonly #model: TokenModel;
  readonly #added: AddedTokens;
  readonly #settings: TokenizerSettings;
  readonly #template: Template;
  /** GPT-2's add_prefix_space. */
  readonly #prefix: string;

  constructor(model: TokenModel, added: AddedTokens, settings: TokenizerSettings, template: Template) {
    this.kind = model.kind;
    this.vocabularySize = added.total;
    this.specialTokens = added.roles;
    this.specialIds = added.specialIds;
    this.#model = model;
    this.#added = added;
    this.#settings = settings;
    this.#template = template;
    this.#prefix = model.kind === 'byte-bpe' && settings.addPrefixSpace ? ' ' : '';
  }

  encodeIds(text: string, options: EncodeIdsOptions = {}): IdEncoding {
    const first = this.#idsOf(text);
    const second = options.pair === undefined ? undefined : this.#idsOf(options.pair);
    const frame = this.#frame(first, second, options);
    return { ids: arrange(frame, first, second, (id) => id), typeIds: this.#typesOf(frame) };
  }

  encode(text: string, options: EncodeOptions = {}): Encoding {
    const first = this.#align(text);
    const second = options.pair === undefined ? undefined : this.#align(options.pair);
    const frame = this.#frame(first.ids, second?.ids, options);
    const ids = arrange(frame, first.ids, second?.ids, (id) => id);
    const encoding: Encoding = {
      ids,
      typeIds: this.#typesOf(frame),
      attentionMask: new Array<number>(ids.length).fill(1),
      tokens: ids.map((id) => this.#tokenToShow(id)),
      offsets: arrange(frame, offsetsOf(text, first), second && offsetsOf(options.pair ?? '', second), () => NOWHERE),
    };
    if (options.padTo === undefined || ids.length === 0) return encoding;
    const pad = this.specialTokens.pad;
    if (!pad)
      throw new UsageError(`padTo: this ${this.kind} tokenizer has no padding token; open it with specialTokens.pad`, {
        code: 'no-padding-token',
      });
    const side = options.paddingSide ?? this.#settings.paddingSide;
    return padBatch([encoding], { pad, to: options.padTo, side })[0]!;
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    const { special, standAlone } = this.#added;
    const isSpecial = (token: string): boolean => special.has(token);
    const texts: string[] = [];
    let run: string[] = [];
    for (let i = 0; i < ids.length; i++) {
      const token = this.#tokenToShow(ids[i]!);
      if (options.skipSpecialTokens && special.has(token)) continue;
      if (!standAlone.has(token)) {
        run.push(token);
        continue;
      }
      const text = run.length > 0 ? this.#model.join(run, isSpecial) : '';
      if (text !== '') texts.push(text);
      texts.push(token);
      run = [];
    }
    if (run.length > 0) texts.push(this.#model.join(run, isSpecial));
    const text = texts.join(' ');
    const clean =
      (options.cleanUpTokenizationSpaces ?? this.#settings.cleanUpTokenizationSpaces) ? cleanUpEnglish(text) : text;
    return options.joinChinese ? joinChinese(clean) : clean;
  }

  decoder(options: StreamDecodeOptions = {}): StreamDecoder {
    const { special, standAlone } = this.#added;
    const run = this.#model.streamJoin();
    const filters = [
      ...(this.#model.trims ? [new EdgeTrimmer()] : []),
      ...(options.joinChinese ? [new ChineseJoiner()] : []),
    ];
    const filter = (text: string, isEnd: boolean): string =>
      filters.reduce((passed, each) => each.push(passed) + (isEnd ? each.end() : ''), text);
    let isAfterText = false;
    let isAfterStandAlone = false;
    return {
      push: (id) => {
        const token = this.#tokenToShow(id);
        if (options.skipSpecialTokens && special.has(token)) return '';
        let text: string;
        if (standAlone.has(token)) {
          text = run.end() + (isAfterText ? ' ' : '') + token;
          isAfterStandAlone = true;
        } else {
          text = (isAfterStandAlone ? ' ' : '') + run.push(token, special.has(token));
          isAfterStandAlone = false;
        }
        isAfterText = true;
        return filter(text, false);
      },
      end: () => {
        isAfterText = false;
        isAfterStandAlone = false;
        return filter(run.end(), true);
      },
    };
  }

  tokenOf(id: number): string | undefined {
    return this.#added.byId.get(id)?.content ?? this.#model.vocabulary.tokenOf(id);
  }

  idOf(token: string): number | undefined {
    return this.#added.byContent.get(token)?.id ?? this.#model.vocabulary.idOf(token);
  }

  #tokenToShow(id: number): string {
    const token = this.tokenOf(id) ?? this.#model.unknownToken;
    if (token !== undefined) return token;
    throw new UsageError(
      `id ${id} has no token: this ${this.kind} vocabulary has ids 0 to ${this.vocabularySize - 1}`,
      {
        code: 'unknown-token-id',
        facts: { id },
      },
    );
  }

  #idsOf(text: string): number[] {
    const prefixed = this.#prefix + text;
    const sink: PieceSink = { ids: [], positions: undefined };
    const segments = this.#added.split(prefixed);
    if (!segments) this.#model.encode(prefixed, sink);
    else
      for (const { text: part, token } of segments) {
        if (token) sink.ids.push(token.id);
        else this.#model.encode(part, sink);
      }
    return sink.ids;
  }

  /** Pieces with UTF-16 positions in `text`. */
  #align(text: string): AlignedPieces {
    const prefixed = this.#prefix + text;
    const whole: Segment = { text: prefixed, start: 0, outerStart: 0, token: undefined };
    const out: AlignedPieces = { ids: [], starts: [], ends: [] };
    for (const { text: part, start, outerStart, token } of this.#added.split(prefixed) ?? [whole]) {
      const pieces: AlignedPieces = { ids: [], starts: [], ends: [] };
      if (token) pushPiece({ ids: pieces.ids, positions: pieces }, token.id, outerStart - start, part.length);
      else this.#model.encode(part, { ids: pieces.ids, positions: pieces });
      // SentencePiece's "▁" before a text stands for the whitespace before it.
      if (!token && this.kind === 'unigram' && pieces.ids.length > 0)
        pieces.starts[0] = pieces.starts[0]! + outerStart - start;
      pushPieces({ ids: out.ids, positions: out }, pieces, start - this.#prefix.length);
    }
    const clamp = (position: number): number => Math.max(0, position); // before the text stands only the prefix
    return this.#prefix === '' ? out : { ids: out.ids, starts: out.starts.map(clamp), ends: out.ends.map(clamp) };
  }

  #frame(text: readonly number[], pair: readonly number[] | undefined, options: EncodeIdsOptions): Frame {
    const special = (options.addSpecialTokens ?? true) ? this.#template : NO_TEMPLATE;
    const beforePair = pair ? special.beforePair : [];
    const afterPair = pair ? special.afterPair : [];
    const specialCount = special.before.length + special.after.length + beforePair.length + afterPair.length;
    const [fromText, fromPair] = this.#removals(text.length, pair?.length, specialCount, options);
    const side: Side = options.truncationSide ?? this.#settings.truncationSide;
    const textRange = keptRange(text.length, fromText, side);
    const pairRange = keptRange(pair?.length ?? 0, fromPair, side);
    const isOver = (
      ids: readonly number[],
      [start, end]: readonly [number, number],
      after: readonly number[],
    ): boolean => special.isEndOnce && end > start && ids[end - 1] === after[0];
    return {
      text: textRange,
      pair: pairRange,
      before: special.before,
      after: isOver(text, textRange, special.after) ? [] : special.after,
      beforePair,
      afterPair: isOver(pair ?? [], pairRange, afterPair) ? [] : afterPair,
      pairType: special.pairType,
    };
  }

  #removals(
    length: number,
    pairLength: number | undefined,
    specialCount: number,
    options: EncodeIdsOptions,
  ): readonly [number, number] {
    const { maxLength, truncation } = options;
    if (maxLength === undefined) {
      if (truncation === undefined) return [0, 0];
      throw new UsageError(`truncation "${truncation}" needs maxLength`, { code: 'truncation-without-length' });
    }
    if (!Number.isInteger(maxLength) || maxLength <= 0)
      throw new UsageError(`maxLength must be a positive integer, found ${maxLength}`, { code: 'bad-length' });
    const excess = length + (pairLength ?? 0) + specialCount - maxLength;
    return tokensToRemove(length, pairLength, excess, truncation ?? 'longest-first');
  }

  #typesOf(frame: Frame): number[] {
    const { text, pair, before, after, beforePair, afterPair } = frame;
    const first = before.length + (text[1] - text[0]) + after.length;
    const second = beforePair.length + (pair[1] - pair[0]) + afterPair.length;
    const types = new Array<number>(first + second).fill(0);
    return frame.pairType === 0 ? types : types.fill(1, first);
  }
}

/** Values of the texts' tokens with those of the special tokens around them. */
function arrange<T>(frame: Frame, text: readonly T[], pair: readonly T[] | undefined, special: (id: number) => T): T[] {
  const out: T[] = [];
  for (const id of frame.before) out.push(special(id));
  for (let i = frame.text[0]; i < frame.text[1]; i++) out.push(text[i]!);
  for (const id of frame.after) out.push(special(id));
  if (!pair) return out;
  for (const id of frame.beforePair) out.push(special(id));
  for (let i = frame.pair[0]; i < frame.pair[1]; i++) out.push(pair[i]!);
  for (const id of frame.afterPair) out.push(special(id));
  return out;
}

/** UTF-16 positions → code points. */
function offsetsOf(text: string, pieces: AlignedPieces): Offset[] {
  const { starts, ends } = pieces;
  if (!/[\ud800-\udfff]/.test(text)) return starts.map((start, i) => [start, ends[i]!]);
  const codePoints = new Uint32Array(text.length + 1); // code points before each UTF-16 position
  for (let i = 0, count = 0; i < text.length; count++) {
    const width = text.codePointAt(i)! > 0xffff ? 2 : 1;
    codePoints[i] = count;
    if (width === 2) codePoints[i + 1] = count + 1; // no piece starts or ends inside a pair
    i += width;
    codePoints[i] = count + 1;
  }
  return starts.map((start, i) => [codePoints[start]!, codePoints[ends[i]!]!]);
}
