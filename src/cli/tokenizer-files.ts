/** What the tokenizer side contributes to a model folder: its manifest entry, tokenizer.json, and a text to probe with. */
import type { TokenizerFiles } from '../convert/convert.ts';
import { findTokenizerFiles, openTokenizer } from '../tokenizers/open.ts';
import { NotFoundError } from '../util/errors.ts';

/** Known to every Chinese vocabulary here, and to byte-level ones. */
const PROBE_TEXT = '床前明月光，疑是地上霜。';

/** A checkpoint without tokenizer files still converts: its model runs on ids. */
export async function tokenizerFiles(source: string): Promise<TokenizerFiles> {
  try {
    const { kind, files } = await findTokenizerFiles(source);
    const tokenizer = await openTokenizer(source);
    return {
      manifest: {
        kind,
        files: [...files],
        options: {},
        vocabularySize: tokenizer.vocabularySize,
        specialTokens: { ...tokenizer.specialTokens },
      },
      files: {},
      probe: { text: PROBE_TEXT, ids: tokenizer.encodeIds(PROBE_TEXT).ids },
    };
  } catch (error) {
    if (error instanceof NotFoundError && error.code === 'tokenizer-not-found') return { manifest: null, files: {} };
    throw error;
  }
}
