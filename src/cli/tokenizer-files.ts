/** What the tokenizer side contributes to a model folder: its manifest entry, tokenizer.json, and a text to probe with. */
import type { ModelPlan } from '../architectures/architecture.ts';
import type { TokenizerFiles } from '../convert/convert.ts';
import { findTokenizerFiles, type OpenTokenizerOptions, openTokenizer } from '../tokenizers/open.ts';
import { buildTokenizerFiles } from '../tokenizers/tokenizer-json.ts';
import { NotFoundError } from '../util/errors.ts';

/** Known to every Chinese vocabulary here, and to byte-level ones. */
const PROBE_TEXT = '床前明月光，疑是地上霜。';

/** What of a plan concerns the tokenizer. */
type TokenizerPlan = Pick<ModelPlan, 'addedTokens' | 'dimensions'>;

/** A checkpoint without tokenizer files still converts: its model runs on ids. */
export async function tokenizerFiles(source: string, plan: TokenizerPlan): Promise<TokenizerFiles> {
  try {
    const { kind, files } = await findTokenizerFiles(source);
    const options = await tokenizerOptions(source, plan);
    const tokenizer = await openTokenizer(source, options);
    const written = await buildTokenizerFiles(source, options);
    return {
      manifest: {
        kind,
        files: [...new Set([...files, ...Object.keys(written)])],
        // tokenizer_config.json says the rest
        options: {},
        vocabularySize: tokenizer.vocabularySize,
        specialTokens: { ...tokenizer.specialTokens },
      },
      files: written,
      probe: { text: PROBE_TEXT, ids: tokenizer.encodeIds(PROBE_TEXT).ids },
    };
  } catch (error) {
    if (error instanceof NotFoundError && error.code === 'tokenizer-not-found') return { manifest: null, files: {} };
    throw error;
  }
}

// --- internal ---

/**
 * The tokens that an architecture's own tokenizer class adds, as many as the embedding has rows for. SentencePiece
 * vocabularies hold the sentinels already: there they are only split off before anything else.
 */
async function tokenizerOptions(
  source: string,
  { addedTokens, dimensions }: TokenizerPlan,
): Promise<OpenTokenizerOptions> {
  if (!addedTokens) return {};
  const bare = await openTokenizer(source);
  if (bare.kind === 'unigram') return bare.idOf(`▁${addedTokens[0]}`) === undefined ? {} : { extraIds: 0, addedTokens };
  const missing = addedTokens.filter((token) => bare.idOf(token) === undefined);
  const room = Number(dimensions.vocabularyRows) - bare.vocabularySize;
  return { addedTokens: missing.slice(0, Math.max(0, room)) };
}
