import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MANIFEST_FILE, type Manifest, readManifest, writeManifest } from '../../src/registry/manifest.ts';

const hash = 'ab'.repeat(32);
const manifest: Manifest = {
  schema: 'fsb.manifest/1',
  name: 'erlangshen-mini-poet',
  architecture: 'megatron-bert',
  task: 'text-classification',
  dtype: 'fp32',
  parameters: 1318790,
  source: {
    name: 'erlangshen-mini-poet',
    revision: 'local',
    files: [{ path: 'pytorch_model.bin', sizeBytes: 2658226, sha256: hash }],
  },
  config: { vocabularyRows: 3456, vocabularySize: 3336, hiddenSize: 128, layerNormEps: 1e-12, activation: 'gelu_new' },
  quantisation: null,
  graphs: [
    {
      name: 'model',
      file: 'onnx/model.onnx',
      sizeBytes: 1000,
      sha256: hash,
      dataFile: 'onnx/model.onnx_data',
      dataSizeBytes: 5_000_000,
      dataSha256: hash,
      inputs: [{ name: 'input_ids', dtype: 'int64', shape: ['batch_size', 'sequence_length'], optional: false }],
      outputs: [{ name: 'class_logits', graphName: 'logits', dtype: 'float32', shape: ['batch_size', 6] }],
    },
  ],
  weights: [
    {
      name: 'pooler.dense.weight',
      dtype: 'float32',
      shape: [4, 4],
      offset: 0,
      tensors: ['pooler.dense.weight'],
      transposed: true,
    },
  ],
  tokenizer: {
    kind: 'wordpiece',
    files: ['vocab.txt'],
    options: { doLowerCase: true, addedTokens: ['[BOS]', '[EOS]'] },
    vocabularySize: 3336,
    specialTokens: { pad: { token: '[PAD]', id: 0 }, cls: { token: '[CLS]', id: 101 } },
  },
  labels: ['李白', '杜甫', '白居易', '李商隐', '苏轼', '辛弃疾'],
  probes: [
    {
      text: '床前',
      inputs: { input_ids: [101, 974, 102] },
      graph: 'probe',
      output: 'class_logits',
      values: [0.5, -1.25],
      tolerance: 1e-4,
    },
  ],
  createdBy: { fsb: '0.1.0', node: '20.19.0', date: '2026-01-01T00:00:00Z' },
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'fsb-manifest-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const write = (value: unknown): Promise<void> => writeFile(path.join(folder, MANIFEST_FILE), JSON.stringify(value));

describe('manifest.json', () => {
  it('comes back as it was written, and nothing else is left in the folder', async () => {
    await writeManifest(folder, manifest);
    await writeManifest(folder, manifest); // replaces
    expect(await readManifest(folder)).toEqual(manifest);
    expect(await readdir(folder)).toEqual([MANIFEST_FILE]);
  });

  it('may have no tokenizer', async () => {
    await writeManifest(folder, { ...manifest, tokenizer: null });
    expect((await readManifest(folder)).tokenizer).toBeNull();
  });

  it('may leave out source name, revision and date', async () => {
    const bare: Manifest = {
      ...manifest,
      source: { files: manifest.source.files },
      createdBy: { fsb: '0.1.0', node: '20.19.0' },
    };
    await writeManifest(folder, bare);
    expect(await readManifest(folder)).toEqual(bare);
  });

  const [graph] = manifest.graphs;
  it.each<[string, object, RegExp]>([
    [
      'a path that leaves the folder',
      { graphs: [{ ...graph, file: '../../x.onnx' }] },
      /graphs\.0\.file: .*inside the model folder/,
    ],
    [
      'an absolute tokenizer file',
      { tokenizer: { ...manifest.tokenizer, files: ['/etc/passwd'] } },
      /tokenizer\.files\.0/,
    ],
    ['a data file without its hash', { graphs: [{ ...graph, dataSha256: null }] }, /given together/],
    ['a short hash', { source: { files: [{ path: 'a', sizeBytes: 1, sha256: 'ab' }] } }, /source\.files\.0\.sha256/],
    ['an unknown architecture', { architecture: 'deberta-v2' }, /architecture/],
    ['an unknown field', { extra: 1 }, /extra/],
    ['no graph', { graphs: [] }, /graphs/],
  ])('with %s is refused in reading and writing', async (_, change, message) => {
    const broken = { ...manifest, ...change };
    await write(broken);
    await expect(readManifest(folder)).rejects.toThrow(message);
    await expect(readManifest(folder)).rejects.toMatchObject({ code: 'malformed-document', exitCode: 6 });
    await expect(writeManifest(folder, broken as Manifest)).rejects.toThrow(message);
  });

  it.each(['..', 'a/../b', 'a\\b', 'C:/x', '/x', 'a//b', './a', 'a\0b', ''])('has no file called %j', async (file) => {
    await write({ ...manifest, graphs: [{ ...graph, file }] });
    await expect(readManifest(folder)).rejects.toMatchObject({ code: 'malformed-document' });
  });

  it('of another version is refused as unsupported', async () => {
    await write({ ...manifest, schema: 'fsb.manifest/2' });
    await expect(readManifest(folder)).rejects.toMatchObject({ code: 'manifest-version', exitCode: 8 });
  });

  it('that is absent is not found, with the way on', async () => {
    const none = path.join(folder, 'none');
    await expect(readManifest(none)).rejects.toMatchObject({ code: 'not-a-model', exitCode: 3 });
    await expect(readManifest(none)).rejects.toMatchObject({ hint: expect.stringContaining('fsb convert') });
  });
});
