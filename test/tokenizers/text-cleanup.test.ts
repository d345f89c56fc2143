import { expect, it } from 'vitest';
import { cleanUpEnglish, joinChinese } from '../../src/tokenizers/text-cleanup.ts';

it.each([
  ["do n't . it 's , i 'm ? we 've ! you 're", "don't. it's, i'm? we've! you're"],
  ["a ' b", "a'b"],
])('cleanUpEnglish: %j → %j', (text, expected) => {
  expect(cleanUpEnglish(text)).toBe(expected);
});

it.each([
  ['今 天 good day', '今天good day'],
  ['a  中', 'a 中'], // only the space that touches it
  ['𠀀 a ， b', '𠀀a，b'],
  ['a b', 'a b'],
])('joinChinese: %j → %j', (text, expected) => {
  expect(joinChinese(text)).toBe(expected);
});
