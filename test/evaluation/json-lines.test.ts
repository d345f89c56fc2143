import { describe, expect, it } from 'vitest';
import { parseJsonLines } from '../../src/evaluation/json-lines.ts';

const parse = (text: string | Uint8Array) => [
  ...parseJsonLines(typeof text === 'string' ? Buffer.from(text) : text, 'dev.json'),
];

describe('JSON lines', () => {
  it('reads a byte order mark, CRLF, blank lines and a missing final newline, and counts lines from 1', () => {
    expect(parse('\uFEFF{"a":1}\r\n\r\n  \n{"a":2}')).toEqual([
      { line: 1, value: { a: 1 } },
      { line: 4, value: { a: 2 } },
    ]);
  });

  it('does not end a line at U+2028', () => {
    expect(parse('{"a":"一\u2028二"}\n')).toEqual([{ line: 1, value: { a: '一\u2028二' } }]);
  });

  it('reads an empty file as no lines', () => {
    expect(parse('')).toEqual([]);
  });

  it('names file and line of a broken row and shows its beginning', () => {
    expect(() => parse('{"a":1}\n{"a":')).toThrow(
      expect.objectContaining({
        code: 'malformed-row',
        exitCode: 6,
        facts: { line: 2 },
        message: expect.stringMatching(/^dev\.json, line 2: expected one JSON object, found \{"a": \(/),
      }),
    );
    expect(() => parse(`[${'x'.repeat(500)}`)).toThrow(/found \[x{59}… \(/);
  });

  it('refuses text in another encoding instead of reading it wrongly', () => {
    expect(() => parse(Uint8Array.of(0xd6, 0xd0, 0xce, 0xc4))).toThrow(
      expect.objectContaining({ code: 'malformed-encoding', exitCode: 6 }),
    );
  });

  it('refuses a line that is no row', () => {
    expect(() => parse(`"${'x'.repeat(1_000_001)}"`)).toThrow(expect.objectContaining({ code: 'row-too-long' }));
  });
});
