/** Repairs of decoded text: upstream's for English, and ours for Chinese. */

/** Slow class: clean_up_tokenization, in its order. */
const ENGLISH: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

/** CJK punctuation and kana, ideographs, compatibility ideographs, full-width forms: what needs no space beside it. */
const CHINESE = /[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\u{20000}-\u{2fa1f}]/u;
const SPACE_AT_CHINESE = new RegExp(`(?<=${CHINESE.source}) | (?=${CHINESE.source})`, 'gu');

/** Takes out the spaces that tokenization put before punctuation and into contractions. */
export function cleanUpEnglish(text: string): string {
  return ENGLISH.reduce((result, [from, to]) => result.replaceAll(from, to), text);
}

/** Drops each space with a Chinese character beside it: "今 天 good" → "今天good". */
export function joinChinese(text: string): string {
  return text.replace(SPACE_AT_CHINESE, '');
}
