import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { chooseSources, parseLocation } from '../../src/hub/choose-source.ts';
import type { SourceSpec } from '../../src/hub/sources/source.ts';
import { FsbError } from '../../src/util/errors.ts';

const hub: SourceSpec = { kind: 'huggingface', repo: 'IDEA-CCNL/Wenzhong-GPT2-3.5B' };
const modelscope: SourceSpec = { kind: 'modelscope', repo: 'Fengshenbang/Wenzhong-GPT2-3.5B' };
const expired: SourceSpec = {
  kind: 'archive',
  url: 'https://obs.example/闻仲-3.5B.zip',
  expired: '2022-11-12',
  format: 'zip',
};
const signed: SourceSpec = { kind: 'archive', url: 'https://obs.example/a.zip?Expires=1668211200&Signature=s3cr3t' };
const bundled: SourceSpec = { kind: 'bundled', path: 'models/a.zip', sha256: 'a'.repeat(64), sizeBytes: 1 };

const errorOf = (specs: SourceSpec[], offline: boolean): FsbError => {
  try {
    chooseSources('wenzhong-3.5b', specs, offline);
  } catch (error) {
    if (error instanceof FsbError) return error;
  }
  throw new Error('expected an FsbError');
};

describe('chooseSources', () => {
  it('takes those that can be used and says why others were passed over', () => {
    const { specs, passedOver } = chooseSources('x', [expired, hub, modelscope], false);
    expect(specs).toEqual([hub, modelscope]);
    expect(passedOver.map(({ source, reason }) => [source, reason.code])).toEqual([
      ['archive:https://obs.example/闻仲-3.5B.zip', 'expired-url'],
    ]);
    expect(chooseSources('x', [hub, bundled], true).specs).toEqual([bundled]);
  });

  it.each([
    [
      'offline',
      [expired, hub],
      true,
      'offline',
      4,
      /huggingface:IDEA-CCNL\/Wenzhong-GPT2-3\.5B is needed, is not on this machine/,
    ],
    ['only a published link that expired', [expired], false, 'expired-url', 5, /expired on 2022-11-12/],
    ['only a signed link that expired', [signed], false, 'expired-url', 5, /Signature=\*\*\* expired on 2022-11-12/],
    ['no source at all', [], false, 'no-source', 3, /wenzhong-3\.5b/],
  ])('%s', (_case, specs, offline, code, exitCode, message) => {
    const error = errorOf(specs, offline);
    expect(error).toMatchObject({ code, exitCode });
    expect(error.message).toMatch(message);
    expect(JSON.stringify([error.message, error.facts])).not.toContain('s3cr3t');
  });
});

describe('parseLocation', () => {
  it.each([
    ['https://h/a.ZIP?Signature=1', { kind: 'archive', url: 'https://h/a.ZIP?Signature=1' }],
    ['https://h/pytorch_model.bin', { kind: 'http', url: 'https://h/pytorch_model.bin' }],
    ['https://h/models/', { kind: 'http-folder', url: 'https://h/models/' }],
    ['file:///tmp/a.zip', { kind: 'local', path: 'file:///tmp/a.zip' }],
    ['./model', { kind: 'local', path: './model' }],
    ['/data/model', { kind: 'local', path: '/data/model' }],
    ['C:\\model', { kind: 'local', path: 'C:\\model' }],
    ['~/model', { kind: 'local', path: path.join(os.homedir(), 'model') }],
    ['闻仲-3.5B.zip', { kind: 'local', path: '闻仲-3.5B.zip' }],
    ['IDEA-CCNL/Wenzhong-GPT2-110M', { kind: 'huggingface', repo: 'IDEA-CCNL/Wenzhong-GPT2-110M' }],
  ])('%s', (location, spec) => {
    expect(parseLocation(location)).toEqual(spec);
  });

  it.each(['wenzhong', 'http://', 'a/b/c'])('refuses %j', (location) => {
    expect(() => parseLocation(location)).toThrow(FsbError);
  });
});
