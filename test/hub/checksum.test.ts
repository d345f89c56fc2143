import { describe, expect, it } from 'vitest';
import { compareChecksum, createChecksum } from '../../src/hub/checksum.ts';

describe('createChecksum', () => {
  it('hashes pieces as the whole, as sha256 and as git hash-object does', () => {
    const checksum = createChecksum({ sizeBytes: 12, gitSha1: 'unknown' });
    checksum.update(Buffer.from('hello '));
    checksum.update(Buffer.from('world\n'));
    expect(checksum.digest()).toEqual({
      sizeBytes: 12,
      sha256: 'a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447',
      gitSha1: '3b18e512dba79e4c8300dd08aeb37f8e728b8dad',
    });
  });
});

describe('compareChecksum', () => {
  const found = { sizeBytes: 1, sha256: 'a'.repeat(64), gitSha1: 'b'.repeat(40) };
  it.each([
    [{ sizeBytes: 2 }, 'size-mismatch', 'x: expected bytes 2, found 1'],
    [{ sha256: 'c'.repeat(64) }, 'hash-mismatch', `x: expected sha256 ${'c'.repeat(64)}, found ${found.sha256}`],
    [{ gitSha1: 'c'.repeat(40) }, 'hash-mismatch', `x: expected git blob ${'c'.repeat(40)}, found ${found.gitSha1}`],
  ])('%j: %s', (expected, code, message) => {
    expect(() => compareChecksum(expected, found, 'x')).toThrow(
      expect.objectContaining({ code, message, exitCode: 6 }),
    );
  });

  it('compares what is known, upper or lower case', () => {
    compareChecksum({}, { sizeBytes: 1, sha256: 'a'.repeat(64) }, 'x');
    compareChecksum({ sizeBytes: 1, sha256: 'A'.repeat(64), gitSha1: 'B'.repeat(40) }, found, 'x');
  });
});
