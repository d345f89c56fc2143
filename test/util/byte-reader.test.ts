import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../src/util/byte-reader.ts';

async function* chunks(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

describe('ByteReader', () => {
  it('takes across chunks, and fewer bytes only at the end', async () => {
    const reader = new ByteReader(chunks('abc', '', 'de'));
    expect((await reader.take(4)).toString()).toBe('abcd');
    expect(reader.position).toBe(4);
    expect((await reader.take(4)).toString()).toBe('e');
    expect(await reader.some(1)).toBeUndefined();
  });

  it('looks ahead and takes back without losing its place', async () => {
    const reader = new ByteReader(chunks('abc', 'de'));
    expect((await reader.peek(4)).toString()).toBe('abcd');
    expect(reader.position).toBe(0);
    reader.giveBack(await reader.take(2));
    expect((await reader.take(5)).toString()).toBe('abcde');
    expect(reader.position).toBe(5);
  });

  it('ends its source when it is closed', async () => {
    let isOver = false;
    async function* endless(): AsyncGenerator<Buffer> {
      try {
        for (;;) yield Buffer.from('x');
      } finally {
        isOver = true;
      }
    }
    const reader = new ByteReader(endless());
    await reader.take(3);
    await reader.close();
    expect(isOver).toBe(true);
  });
});
