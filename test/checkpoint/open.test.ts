import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { hashTensor } from '../../src/checkpoint/fingerprint.ts';
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/open.ts';
import { readFloat32 } from '../../src/tensor/lazy-tensor.ts';
import {
  FIXTURES,
  fixtureBytes,
  GOLDEN,
  hostileFiles,
  stateDictPickle,
  temporaryFile,
  temporaryFolder,
  thrownBy,
  torchZip,
} from './building.ts';

type Hashes = Record<string, string>;
const expected = JSON.parse(fixtureBytes('expected.json').toString()) as Record<string, Hashes> & { golden: Hashes };

async function hashesOf(checkpoint: Checkpoint): Promise<Hashes> {
  const hashes: Hashes = {};
  for (const [name, tensor] of checkpoint.tensors) hashes[name] = await hashTensor(tensor);
  return hashes;
}

describe('a published checkpoint opens in every container', () => {
  const containers: [folder: string, format: string, numbers: string][] = [
    ['shared-storage-zip', 'torch-zip', 'bert'],
    ['zip64', 'torch-zip', 'bert'],
    ['protocol-3', 'torch-zip', 'bert'],
    ['protocol-4', 'torch-zip', 'bert'],
    ['protocol-5', 'torch-zip', 'bert'],
    ['legacy', 'torch-legacy', 'bert'],
    ['safetensors', 'safetensors', 'bert'],
    ['sharded-bin', 'torch-zip', 'bert'],
    ['sharded-safetensors', 'safetensors', 'bert'],
    ['gpt2-views-zip', 'torch-zip', 'gpt2'],
    ['megatron-t5-zip', 'torch-zip', 'megatron-t5'],
    ['megatron-bert-v0', 'megatron', 'megatron-bert'],
    ['megatron-bert-v1-tp2', 'megatron', 'megatron-bert'],
    ['megatron-bert-v2', 'megatron', 'megatron-bert'],
    ['megatron-gpt2-v0-tp2', 'megatron', 'megatron-gpt2'],
    ['megatron-gpt2-v3-tp2', 'megatron', 'megatron-gpt2'],
  ];
  it.each(containers)('%s (%s) holds the numbers of %s under canonical names', async (folder, format, numbers) => {
    const checkpoint = await openCheckpoint(path.join(FIXTURES, folder));
    try {
      expect(checkpoint.format).toBe(format);
      expect(await hashesOf(checkpoint)).toEqual(expected[numbers]);
    } finally {
      await checkpoint.close();
    }
  });

  it('keeps the storage that names share, and the name in the file', async () => {
    const checkpoint = await openCheckpoint(path.join(FIXTURES, 'shared-storage-zip'));
    const [query, value, words, decoder] = [
      'encoder.layer.0.attention.self.query.weight',
      'encoder.layer.0.attention.self.value.weight',
      'embeddings.word_embeddings.weight',
      'cls.predictions.decoder.weight',
    ].map((name) => checkpoint.tensors.get(name)!);
    expect(query!.storage.key).toBe(value!.storage.key);
    expect([query!.offset, value!.offset]).toEqual([0, 128]);
    expect(words!.storage.key).toBe(decoder!.storage.key);
    expect([words!.offset, words!.storage.elementCount]).toEqual([24, 136]);
    expect(checkpoint.originalNames.get('embeddings.position_ids')).toBe('bert.embeddings.position_ids');
    expect(checkpoint.tensors.get('embeddings.position_ids')!.strides).toEqual([0, 1]);
    await checkpoint.close();
    expect(await thrownBy(() => readFloat32(query!))).toBeInstanceOf(Error); // the file is closed
  });

  it('lists the files that were read and the text beside the tensors', async () => {
    const sharded = await openCheckpoint(path.join(FIXTURES, 'sharded-safetensors'));
    expect(sharded.files.map((file) => path.basename(file))).toEqual([
      'model.safetensors.index.json',
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
    ]);
    expect(sharded.metadata).toEqual({ format: 'pt' });
    await sharded.close();
    const trainer = await openCheckpoint(path.join(FIXTURES, 'gpt2-views-zip'));
    expect(trainer.metadata).toEqual({ epoch: '3' });
    await trainer.close();
  });

  it('tells formats by bytes, not by names', async () => {
    const file = await temporaryFile(fixtureBytes('safetensors', 'model.safetensors'), 'pytorch_model.bin');
    const checkpoint = await openCheckpoint(path.dirname(file));
    expect(checkpoint.format).toBe('safetensors');
    await checkpoint.close();
  });

  it('opens a single file, an index, and one rank as all ranks', async () => {
    const cases: [string, number][] = [
      ['legacy/pytorch_model.bin', 32],
      ['sharded-bin/pytorch_model.bin.index.json', 32],
      ['megatron-gpt2-v3-tp2/mp_rank_01/model_optim_rng.pt', 28],
    ];
    for (const [file, count] of cases) {
      const checkpoint = await openCheckpoint(path.join(FIXTURES, file));
      expect(checkpoint.tensors.size, file).toBe(count);
      await checkpoint.close();
    }
  });

  it('follows links inside a folder, as caches of hubs have them', async () => {
    const folder = await temporaryFolder();
    await symlink(path.join(FIXTURES, 'legacy', 'pytorch_model.bin'), path.join(folder, 'pytorch_model.bin'));
    const checkpoint = await openCheckpoint(folder);
    expect(checkpoint.tensors.size).toBe(32);
    await checkpoint.close();
  });
});

describe('what is no checkpoint is named', () => {
  const cases: [what: string, bytes: string | Uint8Array, code: string, message: RegExp][] = [
    [
      'a Git LFS pointer',
      'version https://git-lfs.github.com/spec/v1\noid sha256:00\n',
      'unknown-format',
      /Git LFS pointer/,
    ],
    ['a web page', '<!DOCTYPE html><html>', 'unknown-format', /HTML/],
    ['an empty file', '', 'unknown-format', /empty file/],
    ['a text pickle', 'cposix\nsystem\n(S"true"\ntR.', 'unknown-format', /begins with 63706f73/],
    ['a bare pickle', '\x80\x02}.', 'corrupt-archive', /magic number/],
    [
      'a dictionary without tensors',
      torchZip(Buffer.from('\x80\x02}.', 'latin1'), {}),
      'corrupt-archive',
      /no tensors/,
    ],
    [
      'a list',
      torchZip(Buffer.from('\x80\x02].', 'latin1'), {}),
      'corrupt-archive',
      /expected a dictionary of tensors/,
    ],
  ];
  it.each(cases)('%s', async (_, bytes, code, message) => {
    const file = await temporaryFile(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    const error = await thrownBy(() => openCheckpoint(file));
    expect(error).toMatchObject({ code, exitCode: 6, message: expect.stringMatching(message) });
    expect((error as Error).message).toContain(file);
  });

  it('an empty folder and a missing path', async () => {
    const folder = await temporaryFolder();
    expect(await thrownBy(() => openCheckpoint(folder))).toMatchObject({
      code: 'no-checkpoint',
      exitCode: 3,
      message: expect.stringContaining('pytorch_model.bin'),
    });
    expect(await thrownBy(() => openCheckpoint(path.join(folder, 'x')))).toMatchObject({ code: 'file-not-found' });
  });
});

describe('a tensor is checked against its storage before anyone reads', () => {
  const twoInts: [string, string, number] = ['0', 'LongStorage', 2];
  const refused: [what: string, claim: Parameters<typeof stateDictPickle>[0][string], message: RegExp][] = [
    ['a tensor beyond its storage', { shape: [5] }, /reaches to element 5, but its storage has 4/],
    ['an offset beyond its storage', { shape: [4], offset: 1 }, /reaches to element 5/],
    ['a negative offset', { shape: [4], offset: -1 }, /offset -1 is negative/],
    ['a negative dimension', { shape: [-4] }, /dimension is negative/],
    ['a negative stride', { shape: [2], strides: [-1], offset: 1 }, /stride is negative/],
    ['repeated weights', { shape: [2, 4], strides: [0, 1] }, /stride of 0 repeats/],
    ['overlapping rows', { shape: [2, 3], strides: [1, 1] }, /6 elements, but at most 4/],
    ['too many elements', { shape: [2 ** 30, 2 ** 30], strides: [0, 0], storage: twoInts }, /more than 1099511627776/],
    ['a huge expanded buffer', { shape: [2 ** 30, 2], strides: [0, 1], storage: twoInts }, /at most 1048576/],
    [
      'a storage larger than its record',
      { shape: [4], storage: ['0', 'FloatStorage', 400] },
      /400 float32 elements = 1600 bytes, but .* holds 16/,
    ],
    [
      'a storage without a record',
      { shape: [4], storage: ['7', 'FloatStorage', 4] },
      /data\/7 of storage 7 is missing/,
    ],
    ['an unknown storage class', { shape: [4], storage: ['0', 'QInt8Storage', 4] }, /QInt8Storage/],
    ['a shape without strides', { shape: [4], strides: [] }, /as many strides/],
  ];
  it.each(refused)('refuses %s', async (_, claim, message) => {
    const file = await temporaryFile(torchZip(stateDictPickle({ w: claim }), { '0': new Uint8Array(16) }));
    const error = await thrownBy(() => openCheckpoint(file));
    expect(error).toMatchObject({ code: 'bad-tensor', exitCode: 6, message: expect.stringMatching(message) });
    expect((error as Error).message).toContain(file);
  });

  it('accepts an expanded integer buffer, an empty tensor and a scalar', async () => {
    const claims = {
      position_ids: { shape: [3, 2], strides: [0, 1], storage: twoInts },
      empty: { shape: [0, 5], storage: ['1', 'FloatStorage', 0] as [string, string, number] },
      scalar: { shape: [], storage: ['2', 'FloatStorage', 1] as [string, string, number] },
    };
    const storages = {
      '0': new Uint8Array(16),
      '1': new Uint8Array(0),
      '2': new Uint8Array(Float32Array.of(-1e4).buffer),
    };
    const checkpoint = await openCheckpoint(await temporaryFile(torchZip(stateDictPickle(claims), storages)));
    expect(await readFloat32(checkpoint.tensors.get('scalar')!)).toEqual(Float32Array.of(-1e4));
    expect(await readFloat32(checkpoint.tensors.get('empty')!)).toEqual(new Float32Array(0));
    expect(await hashesOf(checkpoint)).toHaveProperty('position_ids');
    await checkpoint.close();
  });

  it('refuses two descriptions of one storage that differ', async () => {
    const claims = {
      a: { shape: [4] },
      b: { shape: [1], storage: ['0', 'FloatStorage', 3] as [string, string, number] },
    };
    const file = await temporaryFile(torchZip(stateDictPickle(claims), { '0': new Uint8Array(16) }));
    expect(await thrownBy(() => openCheckpoint(file))).toMatchObject({
      code: 'bad-tensor',
      message: expect.stringMatching(/told as 3 float32 elements here and as 4/),
    });
  });
});

describe('hostile files are refused with the right code and place', () => {
  const codes = new Map(
    (JSON.parse(fixtureBytes('hostile.json').toString()) as { case: string; class: string | null }[]).map((e) => [
      e.case,
      e.class,
    ]),
  );
  const places: Record<string, RegExp> = {
    'pickle-os-system': /archive\/data\.pkl: .*"posix\.system"/,
    'pickle-eval': /archive\/data\.pkl: .*"__builtin__\.eval"/,
    'tensor-beyond-storage': /"bert\.embeddings\.word_embeddings\.weight": it reaches to element 2688, .* has 2048/,
    'negative-stride': /"bert\.embeddings\.word_embeddings\.weight": a stride is negative .*\[-16, -1\]/,
    'huge-overlap': /"bert\.embeddings\.word_embeddings\.weight": more than .*\[2147483648, 2147483648\]/,
    'storage-shorter-than-told': /"bert\.embeddings\.word_embeddings\.weight": .*24576 bytes, but .* holds 8192/,
    'truncated-zip': /end of the zip archive is missing/,
    'zip-path-traversal': /"\.\.\/outside\.txt"/,
    'safetensors-header-length': /header should have 1099511627776 bytes/,
    'safetensors-overlap': /"bert\.embeddings\.position_embeddings\.weight": .*overlaps/,
    'safetensors-unknown-dtype': /"bert\.embeddings\.word_embeddings\.weight": .*"F99"/,
    'safetensors-dtype-size': /"bert\.embeddings\.word_embeddings\.weight": F64 .*16384 bytes/,
  };
  it.each(hostileFiles().filter((file) => places[file.case]))('$case', async ({ case: kind, name, bytes }) => {
    const file = await temporaryFile(bytes, name);
    const error = await thrownBy(() => openCheckpoint(path.dirname(file)));
    expect(error).toMatchObject({ code: codes.get(kind), exitCode: 6, message: expect.stringMatching(places[kind]!) });
    expect((error as Error).message).toContain(file);
  });

  it('the others open: what is wrong with them is for conversion to find', async () => {
    const others = hostileFiles().filter((file) => !places[file.case]);
    expect(others.map((file) => file.case)).toEqual(
      expect.arrayContaining([
        'sound',
        'nan-weight',
        'inf-weight',
        'missing-tensor',
        'wrong-shape',
        'unexpected-tensor',
      ]),
    );
    for (const { name, bytes } of others) {
      const checkpoint = await openCheckpoint(await temporaryFile(bytes, name));
      expect(checkpoint.tensors.size).toBeGreaterThanOrEqual(25);
      await checkpoint.close();
    }
  });

  it('executes nothing: a pickle that would write a file leaves none', async () => {
    const folder = await temporaryFolder();
    const witness = path.join(folder, 'executed');
    const attacks = {
      'os.system by REDUCE': `cposix\nsystem\n(S'touch ${witness}'\ntR.`,
      'os.system by INST': `(S'touch ${witness}'\niposix\nsystem\n.`,
      'eval by OBJ': `(c__builtin__\neval\nS'open("${witness}","w")'\no.`,
      'open by STACK_GLOBAL': `\x80\x04\x8c\x02io\x8c\x04open\x93(S'${witness}'\nS'w'\ntR.`,
      'getattr through a stub': `c__builtin__\ngetattr\n(cargparse\nNamespace\nS'__init__'\ntR.`,
    };
    for (const [kind, pickle] of Object.entries(attacks)) {
      const file = path.join(folder, 'pytorch_model.bin');
      await writeFile(file, torchZip(Buffer.from(pickle, 'latin1'), {}));
      expect(await thrownBy(() => openCheckpoint(file)), kind).toMatchObject({ code: 'unsafe-pickle', exitCode: 6 });
    }
    expect(readdirSync(folder)).toEqual(['pytorch_model.bin']);
  });
});

const models = path.join(GOLDEN, 'models');
if (!existsSync(models)) console.warn(`open.test: ${models} is not here, so the golden checkpoints are not opened`);

describe.runIf(existsSync(models))('golden checkpoints', () => {
  /** Written by torch and safetensors; the hashes were taken by the reader in make_fixtures.py. */
  it.each(Object.keys(expected.golden))('%s has the names and numbers of the reference', async (name) => {
    const checkpoint = await openCheckpoint(path.join(models, name));
    const hashes = await hashesOf(checkpoint);
    const stored = (canonical: string): string =>
      checkpoint.format === 'megatron' ? canonical : checkpoint.originalNames.get(canonical)!;
    const lines = Object.entries(hashes).map(([canonical, hash]) => `${stored(canonical)} ${hash}\n`);
    expect(createHash('sha256').update(lines.sort().join('')).digest('hex')).toBe(expected.golden[name]);
    const config = (JSON.parse(readFileSync(path.join(models, name, 'golden.json'), 'utf8')) as { config: Config })
      .config;
    const shapes = Object.fromEntries([...checkpoint.tensors].map(([canonical, tensor]) => [canonical, tensor.shape]));
    expect(shapes).toMatchObject(shapesOf(config, shapes));
    await checkpoint.close();
  });
});

type Config = Record<string, number>;

/** What a config implies: the shapes of the first and the last layer and of the tables. */
function shapesOf(c: Config, found: Record<string, readonly number[]>): Record<string, number[]> {
  if (c.n_embd) {
    const last = c.n_layer! - 1;
    const inner = c.n_inner || 4 * c.n_embd;
    return {
      'wte.weight': [c.vocab_size!, c.n_embd],
      'wpe.weight': [c.n_positions!, c.n_embd],
      'h.0.attn.c_attn.weight': [c.n_embd, 3 * c.n_embd],
      [`h.${last}.mlp.c_fc.weight`]: [c.n_embd, inner],
      [`h.${last}.mlp.c_proj.weight`]: [inner, c.n_embd],
      'ln_f.bias': [c.n_embd],
    };
  }
  if (c.d_model) {
    const inner = c.num_heads! * c.d_kv!;
    const last = c.num_decoder_layers! - 1;
    return 'shared.weight' in found
      ? {
          'shared.weight': [c.vocab_size!, c.d_model],
          'encoder.block.0.layer.0.SelfAttention.q.weight': [inner, c.d_model],
          [`decoder.block.${last}.layer.1.EncDecAttention.o.weight`]: [c.d_model, inner],
        }
      : {
          'shared.word_embeddings.weight': [c.vocab_size!, c.d_model],
          'encoder.block.0.T5LayerSelfAttention.SelfAttention.q.weight': [inner, c.d_model],
          [`decoder.block.${last}.T5LayerFF.DenseReluDense.wo.weight`]: [c.d_model, c.d_ff!],
        };
  }
  const last = c.num_hidden_layers! - 1;
  return {
    'embeddings.word_embeddings.weight': [c.vocab_size!, c.hidden_size!],
    'embeddings.token_type_embeddings.weight': [2, c.hidden_size!],
    'encoder.layer.0.attention.self.query.weight': [c.hidden_size!, c.hidden_size!],
    [`encoder.layer.${last}.output.dense.weight`]: [c.hidden_size!, c.intermediate_size!],
  };
}

describe('an index stays in its folder and holds what it lists', () => {
  async function shardedCopy(edit: (map: Record<string, string>) => void): Promise<string> {
    const folder = path.join(await temporaryFolder(), 'model');
    await cp(path.join(FIXTURES, 'sharded-bin'), folder, { recursive: true });
    const file = path.join(folder, 'pytorch_model.bin.index.json');
    const index = JSON.parse(readFileSync(file, 'utf8')) as { weight_map: Record<string, string> };
    edit(index.weight_map);
    await writeFile(file, JSON.stringify(index));
    return folder;
  }
  const outside = ['../elsewhere.bin', '/etc/passwd', 'a/../../b.bin', 'C:\\x.bin', 'a\\..\\b', ''];
  it.each(outside)('refuses the shard %j', async (shard) => {
    const folder = await shardedCopy((map) => {
      map['bert.x'] = shard;
    });
    const error = await thrownBy(() => openCheckpoint(folder));
    expect(error).toMatchObject({
      code: 'unsafe-path',
      exitCode: 6,
      message: expect.stringContaining(JSON.stringify(shard)),
    });
  });

  it('refuses a tensor that its shard lacks, and names a shard that is not there', async () => {
    const lacking = await shardedCopy((map) => {
      map['bert.more.weight'] = 'pytorch_model-00001-of-00002.bin';
    });
    expect(await thrownBy(() => openCheckpoint(lacking))).toMatchObject({
      code: 'missing-tensor',
      exitCode: 6,
      message: expect.stringContaining('"bert.more.weight" in pytorch_model-00001-of-00002.bin'),
    });
    const absent = await shardedCopy((map) => {
      map['bert.more.weight'] = 'pytorch_model-00003-of-00003.bin';
    });
    expect(await thrownBy(() => openCheckpoint(absent))).toMatchObject({
      code: 'file-not-found',
      exitCode: 3,
      message: expect.stringContaining('pytorch_model-00003-of-00003.bin'),
    });
  });

  it('refuses an index that is none, and an index as a shard', async () => {
    const folder = await temporaryFolder();
    const file = path.join(folder, 'model.safetensors.index.json');
    await writeFile(file, '{"weight_map": {"a": 3}}');
    expect(await thrownBy(() => openCheckpoint(folder))).toMatchObject({ code: 'malformed-document', exitCode: 6 });
    await writeFile(file, '{"weight_map": {}}');
    expect(await thrownBy(() => openCheckpoint(folder))).toMatchObject({ code: 'corrupt-archive', exitCode: 6 });
    await writeFile(file, JSON.stringify({ weight_map: { a: 'model.safetensors.index.json' } }));
    expect(await thrownBy(() => openCheckpoint(folder))).toMatchObject({ code: 'unknown-format', exitCode: 6 });
  });
});
