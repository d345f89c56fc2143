/** The full reference sets (real vocabularies, real lines), where they lie beside the repository. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { splitWords } from '../../src/tokenizers/bert-words.ts';
import { type OpenTokenizerOptions, openTokenizer } from '../../src/tokenizers/open.ts';
import { padBatch } from '../../src/tokenizers/padding.ts';
import { RANDENG_ADDED_TOKENS, sentinelNames } from '../../src/tokenizers/sentinels.ts';
import type { Side, Tokenizer, Truncation } from '../../src/tokenizers/tokenizer.ts';
import { sharedSet } from '../helpers/shared.ts';
import { folderWith } from './fixtures.ts';
import { answerFor, type Decoded, decodedBy, differences, expectedOf, type GoldenCase, readGolden } from './golden.ts';

const BERT = { 'vocab.txt': 'bert-chinese-21128.vocab.txt' };
const BERT_12800 = { 'vocab.txt': 'fengshenbang-erlangshen-bert-base.vocab.txt' };
const GPT2 = { 'vocab.json': 'gpt2.vocab.json', 'merges.txt': 'gpt2.merges.txt' };
const T5 = { 'spiece.model': 'mt5-cn-bojone.sentencepiece_cn.model' };

const SETS: Readonly<
  Record<string, readonly [files: Readonly<Record<string, string>>, options: OpenTokenizerOptions]>
> = {
  'bert-chinese': [BERT, {}],
  'bert-chinese-cased': [BERT, { doLowerCase: false }],
  'bert-12800': [BERT_12800, {}],
  'bert-12800-cased': [BERT_12800, { doLowerCase: false }],
  'bert-randeng': [BERT, { addedTokens: RANDENG_ADDED_TOKENS }],
  gpt2: [GPT2, { specialTokens: { pad: '<|endoftext|>' } }], // as the goldens were made: batches need one
  t5: [T5, { extraIds: 0 }],
  't5-sentinels': [T5, { extraIds: 0, addedTokens: sentinelNames(100) }],
};

interface PairRow {
  readonly text: string;
  readonly pair: string | null;
  readonly truncation: 'longest_first' | 'only_first' | 'only_second' | null;
  readonly max_length: number | null;
  readonly padding: string | null;
  readonly input_ids: number[];
  readonly token_type_ids: number[];
  readonly attention_mask: number[];
}

interface BatchRow {
  readonly texts: string[];
  readonly truncation_side: Side;
  readonly padding_side: Side;
  readonly max_length: number;
  readonly pad_to_multiple_of: number | null;
  readonly input_ids: number[][];
  readonly attention_mask: number[][];
}

const goldens = sharedSet('golden/tokenizers');
const vocabularies = sharedSet('data/vocab');

describe.runIf(goldens && vocabularies)('the full reference sets', () => {
  const read = <T>(file: string): T => readGolden<T>(path.join(goldens!, `${file}.json.gz`));
  const has = (file: string): boolean => goldens !== undefined && existsSync(path.join(goldens, `${file}.json.gz`));

  describe.each(Object.keys(SETS))('%s', (name) => {
    let tokenizer: Tokenizer;
    beforeAll(async () => {
      const [files, options] = SETS[name]!;
      const contents = Object.entries(files).map(([to, from]) => [to, readFileSync(path.join(vocabularies!, from))]);
      tokenizer = await openTokenizer(folderWith(Object.fromEntries(contents)), options);
    });

    it('hand-made strings: ids, tokens, offsets, texts', () => {
      const { cases } = read<{ cases: GoldenCase[] }>(`${name}.hard`);
      const known = cases.filter((row) => !(name.startsWith('bert') && row.unassigned));
      expect(differences(known, (row) => answerFor(tokenizer, row), expectedOf)).toEqual([]);
    });

    it.runIf(has(`${name}.lines`))('real lines: ids', () => {
      const { texts } = read<{ texts: string[] }>('lines');
      const { ids } = read<{ ids: number[][] }>(`${name}.lines`);
      const rows = ids.map((row, i) => ({ text: texts[i]!, ids: row }));
      expect(
        differences(
          rows,
          ({ text }) => tokenizer.encodeIds(text).ids,
          (row) => row.ids,
        ),
      ).toEqual([]);
      expect(
        differences(
          rows,
          ({ text }) => tokenizer.encode(text).ids,
          (row) => row.ids,
        ),
      ).toEqual([]);
    });

    it.runIf(has(`${name}.pairs`))('pairs and batches: ids, types, masks', () => {
      const { cases, batches } = read<{ cases: PairRow[]; batches: BatchRow[] }>(`${name}.pairs`);
      const answer = (row: PairRow) => {
        const { ids, typeIds, attentionMask } = tokenizer.encode(row.text, {
          pair: row.pair ?? undefined,
          maxLength: row.max_length ?? undefined,
          truncation: (row.truncation?.replace('_', '-') ?? undefined) as Truncation | undefined,
          padTo: row.padding ? row.max_length! : undefined,
        });
        return [ids, typeIds, attentionMask];
      };
      expect(differences(cases, answer, (row) => [row.input_ids, row.token_type_ids, row.attention_mask])).toEqual([]);
      const padded = (row: BatchRow) =>
        padBatch(
          row.texts.map((text) =>
            tokenizer.encode(text, { maxLength: row.max_length, truncationSide: row.truncation_side }),
          ),
          { pad: tokenizer.specialTokens.pad!, side: row.padding_side, multipleOf: row.pad_to_multiple_of ?? 1 },
        );
      const batchAnswer = (row: BatchRow) => padded(row).map(({ ids, attentionMask }) => [ids, attentionMask]);
      const batchExpected = (row: BatchRow) => row.input_ids.map((ids, i) => [ids, row.attention_mask[i]]);
      expect(differences(batches, batchAnswer, batchExpected)).toEqual([]);
    });

    it.runIf(has(`${name}.decode`))('ids to text, whole and streamed', () => {
      const { cases } = read<{ cases: { ids: number[]; decoded: Decoded; pieces?: string[] }[] }>(`${name}.decode`);
      expect(
        differences(
          cases,
          (row) => decodedBy(tokenizer, row.ids, row.decoded),
          (row) => row.decoded,
        ),
      ).toEqual([]);
      const streamed = cases.filter((row) => row.pieces);
      const decoder = tokenizer.decoder();
      const pieces = (row: { ids: number[] }) => [...row.ids.map((id) => decoder.push(id)), decoder.end()];
      expect(differences(streamed, pieces, (row) => row.pieces)).toEqual([]);
    });
  });

  it.each(['bert-chinese', 'bert-chinese-cased'])('code points, as %s treats each one', (name) => {
    const table = read<Record<string, [first: number, last: number, kind: string][]>>('bert.codepoints')[name]!;
    const isCased = name.endsWith('cased');
    const rules = { lowerCase: !isCased, stripAccents: !isCased, splitChinese: true, neverSplit: new Set<string>() };
    const points = table.flatMap(([first, last, kind]) =>
      Array.from({ length: last - first + 1 }, (_, i) => ({ character: String.fromCodePoint(first + i), kind })),
    );
    const kindOf = ({ character }: { character: string }): string => {
      const words = splitWords(`x${character}y`, rules).map((word) => word.text);
      const known = { xy: 'drop', 'x\0y': 'space', [`x\0${character}\0y`]: 'alone', [`x${character}y`]: 'keep' };
      return known[words.join('\0')] ?? `text:${words.join(' ').slice(1, -1)}`;
    };
    expect(points.length).toBe(144_762);
    expect(differences(points, kindOf, (row) => row.kind)).toEqual([]);
  });
});
