import { describe, expect, it } from 'vitest';
import { expiredUrlError, redactText, redactUrl, urlExpiry } from '../../src/hub/signed-url.ts';

const OBS =
  'https://x.obs.cn-north-4.myhuaweicloud.com/%E9%97%BB%E4%BB%B2-3.5B.zip?AccessKeyId=AKIA123&Expires=1668211200&Signature=abc%2Bdef%3D';

describe('redactUrl', () => {
  it.each([
    [
      OBS,
      'https://x.obs.cn-north-4.myhuaweicloud.com/%E9%97%BB%E4%BB%B2-3.5B.zip?AccessKeyId=***&Expires=1668211200&Signature=***',
    ],
    ['https://user:pass@host/a', 'https://host/a'],
    [
      'https://h/a?X-Amz-Signature=1&X-Amz-Credential=2&X-Amz-Security-Token=3&X-Amz-Expires=4',
      'https://h/a?X-Amz-Signature=***&X-Amz-Credential=***&X-Amz-Security-Token=***&X-Amz-Expires=4',
    ],
    ['https://h/a?OSSAccessKeyId=1&token=2&revision=main', 'https://h/a?OSSAccessKeyId=***&token=***&revision=main'],
    [
      'https://h/a?Policy=1&Key-Pair-Id=2&sig=3&key=4#access_token=5',
      'https://h/a?Policy=***&Key-Pair-Id=***&sig=***&key=***',
    ],
    ['not a url?password=1', 'not a url?password=***'],
    ['https://h/词表.txt', 'https://h/词表.txt'],
  ])('%s', (url, redacted) => {
    expect(redactUrl(url)).toBe(redacted);
  });

  it('finds URLs, bearer headers and hub tokens in text', () => {
    expect(redactText(`GET ${OBS} failed, Authorization: Bearer hf_abcdefgh12345 was sent; hf_abcdefgh12345`)).toBe(
      `GET ${redactUrl(OBS)} failed, Authorization: Bearer *** was sent; ***`,
    );
    expect(redactText('expired: Signature=abc%2B&Expires=1 (AccessKeyId=AKIA123) n=7')).toBe(
      'expired: Signature=***&Expires=1 (AccessKeyId=***) n=7',
    );
  });
});

describe('urlExpiry', () => {
  it('reads the seconds of OBS, OSS and S3, and the dates of S3 version 4', () => {
    expect(urlExpiry(OBS)?.toISOString()).toBe('2022-11-12T00:00:00.000Z');
    expect(urlExpiry('https://h/a?X-Amz-Date=20240131T235959Z&X-Amz-Expires=61')?.toISOString()).toBe(
      '2024-02-01T00:01:00.000Z',
    );
    expect(urlExpiry('https://h/a?Expires=soon')).toBeUndefined();
    expect(urlExpiry('https://h/a')).toBeUndefined();
  });

  it('refuses an expired link in plain words and without its secrets', () => {
    const error = expiredUrlError(OBS);
    expect(error).toMatchObject({ code: 'expired-url', exitCode: 5, retryable: false });
    expect(error?.message).toMatch(/expired on 2022-11-12/);
    expect(JSON.stringify({ ...error, message: error?.message })).not.toMatch(/AKIA123|abc%2B/);
    expect(expiredUrlError(OBS, new Date('2022-11-01'))).toBeUndefined();
  });
});
