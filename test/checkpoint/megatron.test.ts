import { cp, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { FIXTURES, fixtureBytes, temporaryFolder, thrownBy } from './building.ts';

async function copyOf(fixture: string): Promise<string> {
  const folder = path.join(await temporaryFolder(), fixture);
  await cp(path.join(FIXTURES, fixture), folder, { recursive: true });
  return folder;
}

/** Replaces text by other text of its length in a rank's pickle, and makes the checksums right again. */
async function editRank(folder: string, rank: string, from: Buffer, to: Buffer): Promise<void> {
  const bytes = fixtureBytes(path.basename(folder), rank, 'model_optim_rng.pt');
  const name = bytes.indexOf('archive/data.pkl');
  const pickle = bytes.subarray(name + 16, name + 16 + bytes.readUInt32LE(name - 12));
  const at = pickle.indexOf(from);
  expect(at).toBeGreaterThan(0);
  to.copy(pickle, at);
  const sum = crc32(pickle);
  bytes.writeUInt32LE(sum, name - 16);
  const central = bytes.lastIndexOf('archive/data.pkl');
  bytes.writeUInt32LE(sum, central - 30);
  await writeFile(path.join(folder, rank, 'model_optim_rng.pt'), bytes);
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('raw Megatron-LM', () => {
  it('exposes the arguments as plain data', async () => {
    const checkpoint = await openCheckpoint(path.join(FIXTURES, 'megatron-gpt2-v3-tp2'));
    expect(checkpoint.args).toEqual({
      num_attention_heads: 4,
      hidden_size: 8,
      tensor_model_parallel_size: 2,
      pipeline_model_parallel_size: 1,
      layernorm_epsilon: 1e-5,
      openai_gelu: false,
      onnx_safe: null,
      data_path: ['a', 'b'],
      attn_mask_type: { class: 'megatron.model.enums.AttnMaskType', args: [2], state: null },
      betas: [0.9, 0.95],
      big: '1180591620717411303424',
    });
    expect(checkpoint.metadata).toEqual({ iteration: '100', checkpoint_version: '3' });
    expect(checkpoint.files.map((file) => path.basename(path.dirname(file)))).toEqual(['mp_rank_00', 'mp_rank_01']);
    expect(checkpoint.originalNames.get('h.1.attn.c_attn.weight')).toBe(
      'language_model.encoder.layers.1.self_attention.query_key_value.weight',
    );
    await checkpoint.close();
  });

  it('gives Conv1D weights of GPT-2 as [in, out]', async () => {
    const checkpoint = await openCheckpoint(path.join(FIXTURES, 'megatron-gpt2-v3-tp2'));
    const shapes = ['attn.c_attn', 'attn.c_proj', 'mlp.c_fc', 'mlp.c_proj'].map(
      (name) => checkpoint.tensors.get(`h.0.${name}.weight`)!.shape,
    );
    expect(shapes).toEqual([
      [8, 24],
      [8, 8],
      [8, 16],
      [16, 8],
    ]);
    await checkpoint.close();
  });

  it('opens a file of one rank under any name', async () => {
    const folder = await temporaryFolder();
    await writeFile(
      path.join(folder, 'pytorch_model.bin'),
      fixtureBytes('megatron-bert-v0', 'mp_rank_00', 'model_optim_rng.pt'),
    );
    const checkpoint = await openCheckpoint(folder);
    expect([checkpoint.format, checkpoint.tensors.size]).toEqual(['megatron', 30]);
    await checkpoint.close();
  });

  it('finds the release folder without its marker', async () => {
    const folder = await copyOf('megatron-bert-v2');
    await rm(path.join(folder, 'latest_checkpointed_iteration.txt'));
    const checkpoint = await openCheckpoint(folder);
    expect(checkpoint.tensors.size).toBe(30);
    await checkpoint.close();
  });

  const broken: [
    what: string,
    fixture: string,
    change: (folder: string) => Promise<void>,
    code: string,
    message: RegExp,
  ][] = [
    [
      'a missing first rank',
      'megatron-gpt2-v3-tp2',
      (f) => rm(path.join(f, 'mp_rank_00'), { recursive: true }),
      'corrupt-archive',
      /mp_rank_00 is missing/,
    ],
    [
      'a missing last rank',
      'megatron-gpt2-v3-tp2',
      (f) => rm(path.join(f, 'mp_rank_01'), { recursive: true }),
      'corrupt-archive',
      /args tell 2 tensor-parallel ranks .*, found 1/,
    ],
    [
      'a rank without its file',
      'megatron-gpt2-v3-tp2',
      (f) => rm(path.join(f, 'mp_rank_01', 'model_optim_rng.pt')),
      'corrupt-archive',
      /mp_rank_01: model_optim_rng\.pt is missing/,
    ],
    [
      'pipeline stages',
      'megatron-gpt2-v3-tp2',
      (f) => rename(path.join(f, 'mp_rank_01'), path.join(f, 'mp_rank_00_001')),
      'unsupported-checkpoint',
      /pipeline stages/,
    ],
    [
      'a marker of an absent iteration',
      'megatron-bert-v1-tp2',
      (f) => writeFile(path.join(f, 'latest_checkpointed_iteration.txt'), '7'),
      'corrupt-archive',
      /iter_0000007\/mp_rank_00 is not there/,
    ],
    [
      'a marker that leads out',
      'megatron-bert-v1-tp2',
      (f) => writeFile(path.join(f, 'latest_checkpointed_iteration.txt'), '../x'),
      'corrupt-archive',
      /expected an iteration or "release"/,
    ],
    [
      'no number of heads',
      'megatron-bert-v2',
      (f) => rm(path.join(f, 'config.json')),
      'missing-config',
      /neither args nor config\.json/,
    ],
    [
      'a number of heads that does not divide',
      'megatron-bert-v2',
      (f) => writeFile(path.join(f, 'config.json'), '{"num_attention_heads": 3}'),
      'bad-tensor',
      /8 rows in each of 1 ranks cannot be cut into 3 heads/,
    ],
    [
      'a config.json that is none',
      'megatron-bert-v2',
      (f) => writeFile(path.join(f, 'config.json'), '{"num_attention_heads": "4"}'),
      'malformed-document',
      /num_attention_heads/,
    ],
    [
      'ranks with other names',
      'megatron-gpt2-v3-tp2',
      (f) =>
        editRank(f, 'mp_rank_01', bytes('layers.0.mlp.dense_h_to_4h.bias'), bytes('layers.0.mlp.dense_h_to_4h.xxxx')),
      'corrupt-archive',
      /mp_rank_00.* lacks 1 tensors .*dense_h_to_4h\.xxxx/,
    ],
    [
      'a rank that is no torch file',
      'megatron-gpt2-v3-tp2',
      (f) => writeFile(path.join(f, 'mp_rank_01', 'model_optim_rng.pt'), '{"a": 1}'),
      'unknown-format',
      /expected a torch\.save file, found json/,
    ],
    [
      'a decoder',
      'megatron-bert-v0',
      (f) => editRank(f, 'mp_rank_00', bytes('transformer'), bytes('decoder.xyz')),
      'unsupported-checkpoint',
      /decoder \(T5\)/,
    ],
  ];
  it.each(broken)('refuses %s', async (_, fixture, change, code, message) => {
    const folder = await copyOf(fixture);
    await change(folder);
    const error = await thrownBy(() => openCheckpoint(folder));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect((error as Error).message).toContain(folder);
  });
});
