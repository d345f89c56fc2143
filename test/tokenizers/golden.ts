/** Reading golden files and comparing a tokenizer with one: the whole comparison for a row is one value. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { DecodeOptions, Tokenizer } from '../../src/tokenizers/tokenizer.ts';

export interface Decoded {
  readonly raw: string;
  readonly raw_skip: string;
  readonly clean: string;
  readonly clean_skip: string;
  readonly joined?: string;
  readonly nospace?: string;
}

export interface GoldenCase {
  readonly text: string;
  readonly ids: number[];
  readonly tokens: string[];
  readonly offsets?: [number, number][];
  readonly decoded: Decoded;
  /** Holds a code point that the reference's Unicode 14 does not assign. */
  readonly unassigned?: boolean;
}

export const DECODE_VARIANTS: Readonly<Record<keyof Decoded, DecodeOptions>> = {
  raw: { cleanUpTokenizationSpaces: false },
  raw_skip: { cleanUpTokenizationSpaces: false, skipSpecialTokens: true },
  clean: { cleanUpTokenizationSpaces: true },
  clean_skip: { cleanUpTokenizationSpaces: true, skipSpecialTokens: true },
  joined: { cleanUpTokenizationSpaces: true, skipSpecialTokens: true, joinChinese: true },
  nospace: { cleanUpTokenizationSpaces: false, skipSpecialTokens: true },
};

/** A .json.gz file, typed by its reader. */
export function readGolden<T>(file: string | URL): T {
  return JSON.parse(gunzipSync(readFileSync(file)).toString('utf8')) as T;
}

/** What the tokenizer makes of a case, in the golden's form: equal to the golden when all is right. */
export function answerFor(tokenizer: Tokenizer, golden: GoldenCase): Partial<GoldenCase> & { fastIds: number[] } {
  const encoding = tokenizer.encode(golden.text);
  return {
    text: golden.text,
    ids: encoding.ids,
    fastIds: tokenizer.encodeIds(golden.text).ids,
    tokens: encoding.tokens,
    decoded: decodedBy(tokenizer, golden.ids, golden.decoded),
    ...(golden.offsets && { offsets: encoding.offsets as [number, number][] }),
  };
}

/** The part of a golden that answerFor answers. */
export function expectedOf({ text, ids, tokens, decoded, offsets }: GoldenCase): ReturnType<typeof answerFor> {
  return { text, ids, fastIds: ids, tokens, decoded, ...(offsets && { offsets }) };
}

/** Decodes in the variants that the golden has. */
export function decodedBy(tokenizer: Tokenizer, ids: number[], wanted: Decoded): Decoded {
  const variants = Object.keys(wanted) as (keyof Decoded)[];
  const texts = variants.map((variant) => {
    const text = tokenizer.decode(ids, DECODE_VARIANTS[variant]);
    return [variant, variant === 'nospace' ? text.replaceAll(' ', '') : text];
  });
  return Object.fromEntries(texts) as Decoded;
}

/** Rows where two answers differ, each as a readable pair; empty when all agree. */
export function differences<T>(
  rows: readonly T[],
  answer: (row: T) => unknown,
  expected: (row: T) => unknown,
): string[] {
  return rows.flatMap((row) => {
    const [got, want] = [JSON.stringify(answer(row)), JSON.stringify(expected(row))];
    return got === want ? [] : [`got  ${got}\nwant ${want}`];
  });
}
