/** A BERT vocabulary of Google's size and special ids, with Unicode's Han characters in place of the real choice. */

const LINES = 21128;
/** Lines of the special tokens in bert-base-chinese; the lines around them are [unusedN]. */
const SPECIAL: Readonly<Record<number, string>> = {
  0: '[PAD]',
  100: '[UNK]',
  101: '[CLS]',
  102: '[SEP]',
  103: '[MASK]',
};
const FIRST_PRINTED = 104;
const PUNCTUATION = '，。！？、；：（）《》“”‘’…—·￥';
const FIRST_HAN = 0x4e00;

/** One token per line, in the order of their ids. */
export function chineseVocabulary(): string[] {
  const ascii = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).filter((c) => !/[A-Z]/.test(c));
  const lines = [
    ...Array.from({ length: FIRST_PRINTED }, (_, i) => SPECIAL[i] ?? `[unused${i}]`),
    ...ascii,
    ...ascii.filter((c) => /[a-z0-9]/.test(c)).map((c) => `##${c}`),
    ...PUNCTUATION,
  ];
  const han = Array.from({ length: LINES - lines.length }, (_, i) => String.fromCodePoint(FIRST_HAN + i));
  return [...lines, ...han];
}
