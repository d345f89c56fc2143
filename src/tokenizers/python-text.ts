/** Python's idea of whitespace, which the slow tokenizers rely on (JavaScript's trim and \s differ: U+FEFF, U+001C, U+0085). */

/** Characters that str.split(), str.strip() and str.isspace() know, all in the BMP. */
const WHITESPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

const ONE = new RegExp(`^[${WHITESPACE}]$`);
const LEADING = new RegExp(`^[${WHITESPACE}]+`);

/** str.isspace() of one character. */
export function isSpace(character: string): boolean {
  return ONE.test(character);
}

/** str.lstrip(). */
export function stripLeft(text: string): string {
  return text.replace(LEADING, '');
}

/** str.rstrip(), by index: a regular expression anchored at the end would be quadratic. */
export function stripRight(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text[end - 1]!)) end--;
  return text.slice(0, end);
}

/** str.strip(). */
export function strip(text: string): string {
  return stripLeft(stripRight(text));
}

/** Text files are read with universal newlines: \r\n and \r count as \n. */
export function universalNewlines(text: string): string {
  return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
}
