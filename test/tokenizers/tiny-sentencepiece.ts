/** Writes a small SentencePiece .model, as the Python trainer would: enough of sentencepiece_model.proto for the tests. */
import protobuf from 'protobufjs/minimal.js';
import { PIECE_TYPES } from '../../src/tokenizers/sentencepiece-model.ts';

export interface TinyModel {
  /** Pieces after <pad>, </s>, <unk>: text → score, or [score, type]. */
  readonly pieces: Readonly<Record<string, number | readonly [score: number, type: keyof typeof PIECE_TYPES]>>;
  readonly modelType?: number;
  readonly byteFallback?: boolean;
  readonly addDummyPrefix?: boolean;
  readonly removeExtraWhitespaces?: boolean;
  readonly escapeWhitespaces?: boolean;
  readonly charsmap?: Uint8Array;
}

export function tinyModel(model: TinyModel): Uint8Array {
  const writer = protobuf.Writer.create();
  const bytes = model.byteFallback
    ? Array.from(
        { length: 256 },
        (_, b) => [`<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`, 0, 'byte'] as const,
      )
    : [];
  const own = Object.entries(model.pieces).map(([piece, value]) =>
    typeof value === 'number' ? ([piece, value, 'normal'] as const) : ([piece, ...value] as const),
  );
  const start = [
    ['<pad>', 0, 'control'],
    ['</s>', 0, 'control'],
    ['<unk>', 0, 'unknown'],
  ] as const;
  for (const [piece, score, type] of [...start, ...bytes, ...own])
    writer
      .uint32(10)
      .fork()
      .uint32(10)
      .string(piece)
      .uint32(21)
      .float(score)
      .uint32(24)
      .int32(PIECE_TYPES[type])
      .ldelim();
  writer
    .uint32(18)
    .fork()
    .uint32(24)
    .int32(model.modelType ?? 1)
    .uint32(280)
    .bool(model.byteFallback ?? false)
    .ldelim();
  writer.uint32(26).fork();
  if (model.charsmap) writer.uint32(18).bytes(model.charsmap);
  writer.uint32(24).bool(model.addDummyPrefix ?? true);
  writer.uint32(32).bool(model.removeExtraWhitespaces ?? true);
  writer
    .uint32(40)
    .bool(model.escapeWhitespaces ?? true)
    .ldelim();
  return writer.finish();
}
