/** Seeded mutations of every container: only FsbErrors come out, in bounded time and memory. */
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashTensor } from '../../src/checkpoint/fingerprint.ts';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { readPickle } from '../../src/checkpoint/pickle.ts';
import { FsbError } from '../../src/util/errors.ts';
import { FIXTURES, fixtureBytes, hostileFiles, pickleOf, temporaryFolder, torchZip } from './building.ts';

const SEED = 20240501;
/** More than anything here may take; a claim of 2^40 elements that was believed would show. */
const MAX_GROWTH_BYTES = 200e6;

type Mutation =
  | { kind: 'set'; at: number; byte: number }
  | { kind: 'cut'; at: number; length: number }
  | { kind: 'copy'; from: number; at: number; length: number }
  | { kind: 'huge'; at: number }
  | { kind: 'end'; at: number };

/** Places are fractions, so that one mutation fits files of every length. */
const place = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const length = fc.integer({ min: 1, max: 40 });
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('set' as const), at: place, byte: fc.integer({ min: 0, max: 255 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), at: place, length }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('copy' as const), from: place, at: place, length }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('huge' as const), at: place }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('end' as const), at: place }) },
);
const mutations = fc.array(mutation, { minLength: 1, maxLength: 4 });

function mutate(original: Uint8Array, changes: readonly Mutation[]): Buffer {
  let bytes = Buffer.from(original);
  for (const change of changes) {
    const at = Math.floor(change.at * bytes.length);
    if (change.kind === 'set' && bytes.length > 0) bytes[at] = change.byte;
    if (change.kind === 'cut') bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + change.length)]);
    if (change.kind === 'huge') bytes.fill(0xff, at, Math.min(at + 4, bytes.length));
    if (change.kind === 'end') bytes = bytes.subarray(0, at);
    if (change.kind === 'copy') {
      const from = Math.floor(change.from * bytes.length);
      bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(from, from + change.length), bytes.subarray(at)]);
    }
  }
  return bytes;
}

/** Opens and reads everything; an FsbError is as good as success, anything else is a bug. */
async function survive(target: string): Promise<boolean> {
  try {
    const checkpoint = await openCheckpoint(target);
    try {
      for (const tensor of checkpoint.tensors.values()) await hashTensor(tensor);
    } finally {
      await checkpoint.close();
    }
    return true;
  } catch (error) {
    if (!(error instanceof FsbError) || error.exitCode === 1) throw error;
    return false;
  }
}

async function withinMemory(work: () => Promise<void>): Promise<void> {
  const before = process.memoryUsage().rss;
  await work();
  expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH_BYTES);
}

const CONTAINERS = {
  'zip of torch': () => hostileFiles().find((file) => file.case === 'sound')!.bytes,
  'old zip': () => fixtureBytes('shared-storage-zip', 'pytorch_model.bin'),
  zip64: () => fixtureBytes('zip64', 'pytorch_model.bin'),
  legacy: () => fixtureBytes('legacy', 'pytorch_model.bin'),
  safetensors: () => fixtureBytes('safetensors', 'model.safetensors'),
  index: () => fixtureBytes('sharded-bin', 'pytorch_model.bin.index.json'),
};

describe('mutated files', () => {
  it.each(Object.entries(CONTAINERS))('%s', async (_, bytesOf) => {
    const bytes = bytesOf();
    const file = path.join(await temporaryFolder(), 'pytorch_model.bin');
    await withinMemory(() =>
      fc.assert(
        fc.asyncProperty(mutations, async (changes) => {
          writeFileSync(file, mutate(bytes, changes));
          await survive(file);
        }),
        { seed: SEED, numRuns: 300 },
      ),
    );
  });

  it('headers of safetensors and of zip directories, where each byte counts', async () => {
    const file = path.join(await temporaryFolder(), 'x');
    const safetensors = fixtureBytes('safetensors', 'model.safetensors');
    const headerEnd = 8 + Number(safetensors.readBigUInt64LE());
    const zip = fixtureBytes('zip64', 'pytorch_model.bin');
    const directory = zip.indexOf(Buffer.from('PK\x01\x02', 'latin1'));
    await withinMemory(() =>
      fc.assert(
        fc.asyncProperty(mutations, async (changes) => {
          const head = mutate(safetensors.subarray(8, headerEnd), changes);
          const size = Buffer.alloc(8);
          size.writeBigUInt64LE(BigInt(head.length));
          writeFileSync(file, Buffer.concat([size, head, safetensors.subarray(headerEnd)]));
          await survive(file);
          writeFileSync(file, Buffer.concat([zip.subarray(0, directory), mutate(zip.subarray(directory), changes)]));
          await survive(file);
        }),
        { seed: SEED, numRuns: 300 },
      ),
    );
  });
});

describe('mutated pickles', () => {
  it.each(['shared-storage-zip', 'protocol-4', 'protocol-5'])('%s', async (fixture) => {
    const pickle = pickleOf(fixtureBytes(fixture, 'pytorch_model.bin'));
    const storages = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [String(i), new Uint8Array(400)]));
    const file = path.join(await temporaryFolder(), 'pytorch_model.bin');
    await withinMemory(() =>
      fc.assert(
        fc.asyncProperty(mutations, async (changes) => {
          writeFileSync(file, torchZip(mutate(pickle, changes), storages));
          await survive(file);
        }),
        { seed: SEED, numRuns: 300 },
      ),
    );
  });

  it('raw Megatron-LM', async () => {
    const pickle = pickleOf(fixtureBytes('megatron-gpt2-v0-tp2', 'mp_rank_00', 'model_optim_rng.pt'));
    const storages = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [String(i), new Uint8Array(800)]));
    const file = path.join(await temporaryFolder(), 'model.pt');
    await withinMemory(() =>
      fc.assert(
        fc.asyncProperty(mutations, async (changes) => {
          writeFileSync(file, torchZip(mutate(pickle, changes), storages));
          await survive(file);
        }),
        { seed: SEED, numRuns: 300 },
      ),
    );
  });

  it('opcodes in any order, and any bytes', () => {
    const opcodes = [...'N(.]}elaust)tRbQ0q\x001\x80\x02\x81\x85\x86\x87\x88\x8fh\x00K\x01\x90\x91\x92\x93\x94'].map(
      (c) => c.charCodeAt(0),
    );
    const anything = fc.oneof(
      fc.array(fc.constantFrom(...opcodes), { maxLength: 60 }).map((codes) => Uint8Array.from(codes)),
      fc.uint8Array({ maxLength: 60 }),
    );
    fc.assert(
      fc.property(anything, (bytes) => {
        try {
          readPickle(bytes, 'x');
        } catch (error) {
          if (!(error instanceof FsbError)) throw error;
        }
      }),
      { seed: SEED, numRuns: 20_000 },
    );
  });
});

it('the fixtures themselves survive, so that the mutations start from something that opens', async () => {
  const folders = readdirSync(FIXTURES, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of folders) expect(await survive(path.join(FIXTURES, name)), name).toBe(true);
});
