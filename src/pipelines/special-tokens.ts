/** The tokens that begin and end a generated text: the manifest names them by id, or by their text in the vocabulary. */
import type { Manifest } from '../registry/manifest.ts';
import type { Tokenizer } from '../tokenizers/tokenizer.ts';

interface Model {
  readonly manifest: Manifest;
  readonly tokenizer: Tokenizer | undefined;
}

/** What a decoder's text begins with; undefined where nothing stands before the text. */
export function startToken(model: Model): number | undefined {
  return tokenOf(model, 'start');
}

/** What ends a text; undefined where the model has no such token. */
export function endToken(model: Model): number | undefined {
  return tokenOf(model, 'end') ?? model.tokenizer?.specialTokens.eos?.id;
}

// --- internal ---

function tokenOf({ manifest, tokenizer }: Model, which: 'start' | 'end'): number | undefined {
  const id = manifest.config[`${which}TokenId`];
  if (typeof id === 'number') return id;
  const token = manifest.config[`${which}Token`];
  return typeof token === 'string' ? tokenizer?.idOf(token) : undefined;
}
