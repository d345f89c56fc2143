import { describe, expect, it } from 'vitest';
import { Context } from '../../src/cli/context.ts';
import { HUB_MIRROR, pullSettings } from '../../src/cli/ensure.ts';
import type { RegistryModel } from '../../src/registry/registry.ts';
import { readEnvironment } from '../../src/util/environment.ts';

const hub = { kind: 'huggingface', repo: 'IDEA-CCNL/x', formerRepos: [] } as const;
const modelscope = { kind: 'modelscope', repo: 'Fengshenbang/x' } as const;
const archive = { kind: 'archive', url: 'https://obs.example/x.zip', expired: '2022-11-12', format: 'zip' } as const;
const entry = { name: 'x', sources: [archive, hub, modelscope] } as unknown as RegistryModel;
const settings = (variables: Record<string, string>) =>
  pullSettings(
    new Context({}, new AbortController().signal, readEnvironment({ FSB_HOME: '/home', ...variables })),
    entry,
  );

describe('what the environment says of a pull', () => {
  it('the hub’s public mirror stands behind it, in the registry’s order', () => {
    expect(settings({}).sources).toEqual([archive, hub, { ...hub, endpoint: HUB_MIRROR }, modelscope]);
    expect(settings({}).huggingFaceEndpoint).toBe('https://huggingface.co');
  });

  it('HF_ENDPOINT is the one that is meant, and gets the token', () => {
    const { sources, huggingFaceEndpoint, huggingFaceToken } = settings({
      HF_ENDPOINT: 'https://hub.example/',
      HF_TOKEN: 'hf_x',
    });
    expect(sources).toEqual([archive, hub, modelscope]);
    expect({ huggingFaceEndpoint, huggingFaceToken }).toEqual({
      huggingFaceEndpoint: 'https://hub.example',
      huggingFaceToken: 'hf_x',
    });
  });

  it.each([
    [{ HF_HUB_CACHE: '/a/hub', HF_HOME: '/b' }, '/a/hub'],
    [{ HF_HOME: '/b' }, '/b/hub'],
  ])('%j: the cache at %s is read', (variables, huggingFace) => {
    expect(settings(variables).caches?.huggingFace).toBe(huggingFace);
  });

  it.each([
    [{ FSB_OFFLINE: '1' }, true],
    [{ HF_HUB_OFFLINE: 'true' }, true],
    [{ FSB_OFFLINE: '0' }, false],
  ])('%j: offline is %s', (variables, offline) => {
    expect(settings(variables).offline).toBe(offline);
  });
});
