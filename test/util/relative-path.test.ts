import { describe, expect, it } from 'vitest';
import { foldPath, isSystemLitter, unsafePathReason } from '../../src/util/relative-path.ts';

describe('unsafePathReason', () => {
  it.each(['config.json', 'a/b/c.txt', '二郎神/词表.txt', '..a', 'a..', '.gitattributes', 'a b'])(
    'lets %j pass',
    (name) => {
      expect(unsafePathReason(name)).toBeUndefined();
    },
  );

  it.each([
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    './a',
    'a/.',
    '..',
    'a/../b',
    'C:',
    'c:/a',
    'a\\b',
    '\\a',
    'a\0',
    'a\n',
    'a:b',
    'x'.repeat(256),
    'x/'.repeat(3000),
    `${'x/'.repeat(64)}x`,
    'a\u009bb',
  ])('refuses %j', (name) => {
    expect(unsafePathReason(name)).toBeTypeOf('string');
  });
});

describe('foldPath', () => {
  it('makes equal what a disk may take for equal', () => {
    expect(foldPath('E\u0301/A')).toBe(foldPath('\u00e9/a'));
    expect(foldPath('词')).not.toBe(foldPath('詞'));
  });
});

describe('isSystemLitter', () => {
  it.each([
    ['__MACOSX/a/._b', true],
    ['__MACOSX/', true],
    ['a/._b', true],
    ['a/.DS_Store', true],
    ['a/b', false],
    ['a/__MACOSX.txt', false],
  ])('%s: %s', (name, isLitter) => {
    expect(isSystemLitter(name)).toBe(isLitter);
  });
});
