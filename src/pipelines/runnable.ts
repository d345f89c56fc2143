/** Any model, for callers that only want named outputs of rows of ids. */
import { type Manifest, readManifest } from '../registry/manifest.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import { Decoder } from './decoder.ts';
import { Encoder, type OpenModelOptions, type Row, type RowOutput } from './encoder.ts';
import { EncoderDecoder } from './encoder-decoder.ts';

export interface Runnable {
  readonly manifest: Manifest;
  /** Outputs by fsb's names. */
  readonly outputs: readonly string[];
  /** The longest text the model was made for, in tokens. */
  readonly maxLength: number;
  requireTokenizer(): Tokenizer;
  run(rows: readonly Row[], outputs: readonly string[], signal?: AbortSignal): Promise<RowOutput[][]>;
  dispose(): Promise<void>;
}

/** Opens a model folder as what it is. An encoder that can generate too opens as the encoder. */
export async function openRunnable(folder: string, options: OpenModelOptions = {}): Promise<Runnable> {
  const manifest = await readManifest(folder);
  const kind = [Encoder, EncoderDecoder].find((candidate) => candidate.canOpen(manifest)) ?? Decoder;
  return kind.open(folder, options);
}
