import { describe, expect, it } from 'vitest';
import { normalizeName, suggestNames } from '../../src/registry/names.ts';

describe('normalizeName', () => {
  it.each([
    ['二郎神-1.3B', '二郎神1.3b'],
    ['二郎神－１．３Ｂ', '二郎神1.3b'],
    ['二郎神_1.3b', '二郎神1.3b'],
    ['二郎神 — 1.3 B', '二郎神1.3b'],
    ['IDEA-CCNL/Erlangshen-MegatronBert-1.3B', 'ideaccnl/erlangshenmegatronbert1.3b'],
  ])('%s becomes %s', (name, normalized) => {
    expect(normalizeName(name)).toBe(normalized);
  });

  it('keeps 1.3B and 13B apart', () => {
    expect(normalizeName('x-1.3b')).not.toBe(normalizeName('x-13b'));
  });
});

describe('suggestNames', () => {
  const names = new Map([
    ['wenzhong-3.5b', ['wenzhong-3.5b', '闻仲-3.5B']],
    ['yuyuan-3.5b', ['yuyuan-3.5b', '余元-3.5B']],
  ]);

  it('suggests the entry one letter away, in either script', () => {
    expect(suggestNames('wenzhng-3.5b', names)).toEqual(['wenzhong-3.5b']);
    expect(suggestNames('闻种-3.5B', names)[0]).toBe('wenzhong-3.5b');
  });

  it('suggests what contains the typed part', () => {
    expect(suggestNames('yuyuan', names)).toEqual(['yuyuan-3.5b']);
  });

  it('suggests nothing for an unrelated or empty name', () => {
    expect(suggestNames('llama-70b-instruct', names)).toEqual([]);
    expect(suggestNames(' - ', names)).toEqual([]);
  });
});
