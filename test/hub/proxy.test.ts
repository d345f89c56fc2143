import { describe, expect, it } from 'vitest';
import { proxyFor } from '../../src/hub/proxy.ts';

const HUB = 'https://hub.example/x';

describe('which proxy', () => {
  const cases: [what: string, url: string, variables: Record<string, string>, label: string | undefined][] = [
    ['none is set', HUB, {}, undefined],
    ['one for https', HUB, { HTTPS_PROXY: 'http://proxy:3128' }, 'http://proxy:3128'],
    ['none for http by it', 'http://hub.example', { HTTPS_PROXY: 'http://proxy:3128' }, undefined],
    ['one for http', 'http://hub.example', { HTTP_PROXY: 'http://proxy:3128' }, 'http://proxy:3128'],
    ['the one for http stands in', HUB, { HTTP_PROXY: 'http://proxy:3128' }, 'http://proxy:3128'],
    ['small letters win', HUB, { HTTPS_PROXY: 'http://a:1', https_proxy: 'http://b:2' }, 'http://b:2'],
    ['small letters switch it off', HUB, { HTTPS_PROXY: 'http://a:1', https_proxy: '' }, undefined],
    ['without a scheme', HUB, { HTTPS_PROXY: 'proxy:3128' }, 'http://proxy:3128'],
    ['with a name', HUB, { HTTPS_PROXY: 'http://user:s3cr3t@proxy:3128/' }, 'http://proxy:3128'],
    ['over TLS', HUB, { HTTPS_PROXY: 'https://proxy' }, 'https://proxy'],
  ];
  it.each(cases)('%s', (_what, url, variables, label) => {
    expect(proxyFor(new URL(url), variables)?.label).toBe(label);
  });

  const exceptions: [noProxy: string, url: string, isDirect: boolean][] = [
    ['*', HUB, true],
    ['hub.example', HUB, true],
    ['other.example, HUB.example', HUB, true],
    ['other.example hub.example', HUB, true],
    ['example', HUB, true],
    ['.example', HUB, true],
    ['*.example', HUB, true],
    ['b.example', HUB, false],
    ['ub.example', HUB, false],
    ['hub.example:443', HUB, true],
    ['hub.example:8443', HUB, false],
    ['127.0.0.1', 'https://127.0.0.1:8443/', true],
    ['::1', 'https://[::1]:8443/', true],
    ['[::1]:8443', 'https://[::1]:8443/', true],
    ['', HUB, false],
  ];
  it.each(exceptions)('NO_PROXY=%s and %s: direct is %s', (noProxy, url, isDirect) => {
    const found = proxyFor(new URL(url), { HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: noProxy });
    expect(found === undefined).toBe(isDirect);
  });

  const logins: [login: string, pair: string][] = [
    ['user:password', 'user:password'],
    ['user:p%40ss%3A', 'user:p@ss:'],
    ['user:100%', 'user:100%'],
    ['user', 'user:'],
  ];
  it.each(logins)('%s is sent as "%s"', (login, pair) => {
    const { authorization } = proxyFor(new URL(HUB), { HTTPS_PROXY: `http://${login}@proxy:3128` }) ?? {};
    expect(authorization).toBe(`Basic ${Buffer.from(pair).toString('base64')}`);
  });

  it.each([['ftp://user:s3cr3t@proxy:3128'], ['http://user:s3cr3t@'], ['user:s3cr3t@proxy:port']])(
    '%s is no proxy, and its password is not told',
    (value) => {
      const choose = (): unknown => proxyFor(new URL(HUB), { HTTPS_PROXY: value });
      expect(choose).toThrow(expect.objectContaining({ exitCode: 2, code: 'bad-proxy' }));
      expect(choose).toThrow(/^HTTPS_PROXY: /);
      expect(choose).not.toThrow(/s3cr3t/);
    },
  );
});
