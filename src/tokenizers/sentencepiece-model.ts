/**
 * Reads SentencePiece's .model file, a protobuf message (google/sentencepiece, sentencepiece_model.proto): the pieces
 * with scores and types, how text is normalised, and the trainer's settings that matter when encoding.
 */
import protobuf from 'protobufjs/minimal.js';
import { IntegrityError, messageOf, UnsupportedError } from '../util/errors.ts';
import type { Vocabulary } from './token-model.ts';

/** ModelProto.SentencePiece.Type. */
export const PIECE_TYPES = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface SentencePiece {
  readonly piece: string;
  /** Log-probability, float32. */
  readonly score: number;
  readonly type: number;
}

export interface NormalizerSpec {
  /** Compiled replacement rules; empty for none. */
  readonly charsmap: Uint8Array;
  /** Put a space before the text. */
  readonly addDummyPrefix: boolean;
  /** Drop spaces at the ends and all but one of several. */
  readonly removeExtraWhitespaces: boolean;
}

export interface SentencePieceModel {
  readonly pieces: readonly SentencePiece[];
  readonly unknownId: number;
  /** Spell unknown characters with the 256 byte pieces. */
  readonly byteFallback: boolean;
  /** What an unknown token reads as. */
  readonly unknownSurface: string;
  readonly normalizer: NormalizerSpec;
}

/** TrainerSpec.ModelType of unigram models, the only kind of the family. */
const UNIGRAM = 1;
/** mT5 has 250,100 pieces. */
const MAX_PIECES = 4_000_000;

/** A user-defined piece scores this for each byte after its first, so that it wins over what it is made of. */
const USER_DEFINED_BONUS = 0.1;

/** What a piece counts in a segmentation. */
export function scoreOf({ piece, score, type }: SentencePiece): number {
  return type === PIECE_TYPES.userDefined ? USER_DEFINED_BONUS * (Buffer.byteLength(piece) - 1) : score;
}

/** Parses the bytes of a .model file. Throws IntegrityError for malformed ones, UnsupportedError for other models than unigram. */
export function parseSentencePieceModel(bytes: Uint8Array, where: string): SentencePieceModel {
  const message = readMessages(bytes, where);
  if (message.modelType !== UNIGRAM)
    throw new UnsupportedError(
      `${where}: expected a unigram model (type 1), found SentencePiece type ${message.modelType}`,
      {
        code: 'unsupported-tokenizer',
      },
    );
  if (message.treatWhitespaceAsSuffix || !message.escapeWhitespaces || message.hasDenormalizer)
    throw new UnsupportedError(
      `${where}: fsb reads models that escape spaces as prefixes; this one has treat_whitespace_as_suffix ` +
        `${message.treatWhitespaceAsSuffix}, escape_whitespaces ${message.escapeWhitespaces}, a denormalizer ${message.hasDenormalizer}`,
      { code: 'unsupported-tokenizer' },
    );
  const { pieces } = message;
  const unknowns = pieces.flatMap(({ type }, id) => (type === PIECE_TYPES.unknown ? [id] : []));
  if (unknowns.length !== 1)
    throw new IntegrityError(
      `${where}: expected one unknown piece among ${pieces.length} pieces, found ${unknowns.length}`,
      {
        code: 'malformed-vocabulary',
      },
    );
  const byteCount = pieces.filter(({ type }) => type === PIECE_TYPES.byte).length;
  if (message.byteFallback && byteCount !== 256)
    throw new IntegrityError(`${where}: byte fallback needs 256 byte pieces, found ${byteCount}`, {
      code: 'malformed-vocabulary',
    });
  return { ...message, unknownId: unknowns[0]! };
}

/** Pieces by their text: upstream looks among control, unknown and byte pieces first, then among the others. */
export function sentencePieceVocabulary({ pieces }: SentencePieceModel): Vocabulary {
  const ids = new Map<string, number>();
  const isReserved = (type: number): boolean =>
    type === PIECE_TYPES.control || type === PIECE_TYPES.unknown || type === PIECE_TYPES.byte;
  for (const reserved of [false, true])
    pieces.forEach(({ piece, type }, id) => {
      if (isReserved(type) === reserved) ids.set(piece, id);
    });
  return { size: pieces.length, idOf: (token) => ids.get(token), tokenOf: (id) => pieces[id]?.piece };
}

// --- internal ---

interface Messages extends Omit<SentencePieceModel, 'unknownId'> {
  modelType: number;
  treatWhitespaceAsSuffix: boolean;
  escapeWhitespaces: boolean;
  hasDenormalizer: boolean;
}

type Field = (reader: protobuf.Reader) => void;

function readMessages(bytes: Uint8Array, where: string): Messages {
  const pieces: SentencePiece[] = [];
  const trainer = {
    modelType: UNIGRAM,
    byteFallback: false,
    treatWhitespaceAsSuffix: false,
    unknownSurface: ' \u2047 ',
  };
  const normalizer = { charsmap: new Uint8Array(), addDummyPrefix: true, removeExtraWhitespaces: true };
  let escapeWhitespaces = true;
  let hasDenormalizer = false;
  try {
    readFields(protobuf.Reader.create(bytes), bytes.length, {
      1: (reader) => {
        if (pieces.length >= MAX_PIECES) throw new RangeError(`more than ${MAX_PIECES} pieces`);
        pieces.push(readPiece(reader));
      },
      2: (reader) => {
        readNested(reader, {
          3: (r) => {
            trainer.modelType = r.int32();
          },
          24: (r) => {
            trainer.treatWhitespaceAsSuffix = r.bool();
          },
          35: (r) => {
            trainer.byteFallback = r.bool();
          },
          44: (r) => {
            trainer.unknownSurface = r.string();
          },
        });
      },
      3: (reader) => {
        readNested(reader, {
          2: (r) => {
            normalizer.charsmap = new Uint8Array(r.bytes());
          },
          3: (r) => {
            normalizer.addDummyPrefix = r.bool();
          },
          4: (r) => {
            normalizer.removeExtraWhitespaces = r.bool();
          },
          5: (r) => {
            escapeWhitespaces = r.bool();
          },
        });
      },
      5: (reader) => {
        readNested(reader, {
          2: (r) => {
            hasDenormalizer = r.bytes().length > 0;
          },
        });
      },
    });
  } catch (error) {
    throw new IntegrityError(`${where}: not a SentencePiece model: ${messageOf(error)}`, {
      code: 'malformed-vocabulary',
      cause: error,
    });
  }
  return { pieces, ...trainer, normalizer, escapeWhitespaces, hasDenormalizer };
}

function readPiece(reader: protobuf.Reader): SentencePiece {
  const piece = { piece: '', score: 0, type: PIECE_TYPES.normal as number };
  readNested(reader, {
    1: (r) => {
      piece.piece = r.string();
    },
    2: (r) => {
      piece.score = r.float();
    },
    3: (r) => {
      piece.type = r.int32();
    },
  });
  return piece;
}

function readNested(reader: protobuf.Reader, fields: Readonly<Record<number, Field>>): void {
  const length = reader.uint32();
  if (length > reader.len - reader.pos)
    throw new RangeError(`a message of ${length} bytes where ${reader.len - reader.pos} are left`);
  readFields(reader, reader.pos + length, fields);
}

function readFields(reader: protobuf.Reader, end: number, fields: Readonly<Record<number, Field>>): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    const field = fields[tag >>> 3];
    if (field) field(reader);
    else reader.skipType(tag & 7);
  }
  if (reader.pos !== end) throw new RangeError(`a message runs ${reader.pos - end} bytes over its end`);
}
