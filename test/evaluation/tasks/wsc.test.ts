import { describe, expect, it } from 'vitest';
import { wsc } from '../../../src/evaluation/tasks/wsc.ts';

const row = (text: string, span1: [number, string], span2: [number, string]) => ({
  text,
  target: { span1_index: span1[0], span1_text: span1[1], span2_index: span2[0], span2_text: span2[1] },
  idx: 3,
  label: 'true',
});
const mark = (...parts: Parameters<typeof row>) => wsc.parseRow(row(...parts), 'dev.json, line 1').text;

describe('the input of wsc', () => {
  it('puts _ around the noun and [ ] around the pronoun, and takes idx for the id', () => {
    expect(wsc.parseRow(row('小王说完话，他就走了。', [0, '小王'], [6, '他']), 'dev.json, line 1')).toMatchObject({
      id: 3,
      text: '_小王_说完话，[他]就走了。',
      label: 'true',
    });
  });

  it('closes the noun before it opens a pronoun that follows at once, as the baseline does', () => {
    expect(mark('我看见小李他哥。', [3, '小李'], [5, '他'])).toBe('我看见_小李_[他]哥。');
  });

  it('marks a pronoun that comes before the noun', () => {
    expect(mark('他说小王累', [3, '王'], [0, '他'])).toBe('[他]说小_王_累');
  });

  it('counts code points, not UTF-16 units', () => {
    expect(mark('𠮷猫睡了它累了', [1, '猫'], [4, '它'])).toBe('𠮷_猫_睡了[它]累了');
  });

  it('takes the numeric id of a test row and no label', () => {
    const { label, idx, ...test } = row('小王说他', [0, '小王'], [3, '他']);
    expect(wsc.parseRow({ ...test, id: 12 }, 'x')).toMatchObject({ id: 12, text: '_小王_说[他]', label: undefined });
  });

  it('refuses spans that are not where the row says, overlap or are empty', () => {
    expect(() => mark('小王说他', [1, '小王'], [3, '他'])).toThrow(
      'dev.json, line 1: expected "小王" at character 1 of the text, outside the other span; found "王说"',
    );
    expect(() => mark('小王说他', [0, '小王说'], [2, '说'])).toThrow(
      expect.objectContaining({ code: 'malformed-row' }),
    );
    expect(() => mark('小王说他', [0, ''], [3, '他'])).toThrow(expect.objectContaining({ exitCode: 6 }));
    expect(() => mark('小王说他', [9, '王'], [3, '他'])).toThrow(/found ""/);
  });
});
