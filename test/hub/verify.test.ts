import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { RECORD_FILE, readRecord, writeRecord } from '../../src/hub/record.ts';
import { verifyCheckpoint } from '../../src/hub/verify.ts';
import { errorOf, useScratch } from './scratch.ts';

const scratch = useScratch();
const TEXTS = { 'config.json': '{}', 'pytorch_model.bin': 'weights', 'vocab.txt': '[PAD]' };

async function writeCheckpoint(): Promise<void> {
  for (const [name, text] of Object.entries(TEXTS)) await writeFile(scratch(name), text);
  await writeRecord(scratch(), {
    name: 'm',
    source: 'local:/m.zip',
    revision: null,
    requestedRevision: null,
    include: [],
    exclude: [],
    files: Object.entries(TEXTS).map(([path, text]) => ({
      path,
      sizeBytes: text.length,
      sha256: createHash('sha256').update(text).digest('hex'),
      source: 'local:/m.zip',
    })),
  });
}

describe('verifyCheckpoint', () => {
  it('is ok for what was written, and mentions files beside it', async () => {
    await writeCheckpoint();
    await writeFile(scratch('notes.txt'), 'mine');
    let bytes = 0;
    const result = await verifyCheckpoint(scratch(), { onBytes: (more) => (bytes += more) });
    expect(result).toMatchObject({ ok: true, name: 'm', source: 'local:/m.zip', extra: ['notes.txt'] });
    expect(result.files.map((file) => file.status)).toEqual(['ok', 'ok', 'ok']);
    expect(bytes).toBe(14);
  });

  it('finds a changed byte, a changed size and a missing file', async () => {
    await writeCheckpoint();
    await writeFile(scratch('pytorch_model.bin'), 'weightz');
    await writeFile(scratch('config.json'), '{ }');
    await rm(scratch('vocab.txt'));
    const { ok, files } = await verifyCheckpoint(scratch());
    expect(ok).toBe(false);
    expect(files.map(({ path, status, found }) => [path, status, found])).toEqual([
      ['config.json', 'differs', { sizeBytes: 3 }],
      ['pytorch_model.bin', 'differs', { sizeBytes: 7, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }],
      ['vocab.txt', 'missing', undefined],
    ]);
  });

  it('says when there is nothing to compare with', async () => {
    expect(await errorOf(verifyCheckpoint(scratch()))).toMatchObject({ code: 'no-record', exitCode: 3 });
  });

  it('refuses a record whose paths leave the folder, and one that is no record', async () => {
    await writeCheckpoint();
    const record = await readRecord(scratch());
    const evil = { ...record, files: [{ ...record?.files[0], path: '../config.json' }] };
    await writeFile(scratch(RECORD_FILE), JSON.stringify(evil));
    const error = await errorOf(verifyCheckpoint(scratch()));
    expect(error).toMatchObject({ code: 'malformed-document', exitCode: 6 });
    expect(error.message).toContain('files.0.path');
    await writeFile(scratch(RECORD_FILE), '{');
    expect(await errorOf(verifyCheckpoint(scratch()))).toMatchObject({ code: 'malformed-json', exitCode: 6 });
  });
});
