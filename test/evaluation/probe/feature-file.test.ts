import { appendFile, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openFeatureFile } from '../../../src/evaluation/probe/feature-file.ts';
import { temporaryFolder } from '../fixtures.ts';

const identity = { task: 'afqmc', model: ['a'] };

async function fresh(): Promise<string> {
  const file = path.join(await temporaryFolder(), 'inner', 'x.features');
  const features = await openFeatureFile(file, identity, false);
  await features.append(Float32Array.of(1, 2, 3));
  await features.append(Float32Array.of(4));
  await features.close();
  return file;
}

describe('a file of features', () => {
  it('gives back what was appended, and forgets what was being written', async () => {
    const file = await fresh();
    await appendFile(file, Buffer.from([1, 2, 3])); // a number that lost its end
    const again = await openFeatureFile(file, identity, true);
    expect(again.floats).toBe(4);
    const kept = new Float32Array(2);
    await again.restore(kept);
    expect([...kept]).toEqual([1, 2]);
    await again.append(Float32Array.of(9));
    await again.close();
    const all = new Float32Array(3);
    const last = await openFeatureFile(file, identity, true);
    await last.restore(all);
    await last.close();
    expect([...all]).toEqual([1, 2, 9]);
    expect((await readFile(file)).indexOf('\n')).toBe((await stat(file)).size - 12 - 1);
  });

  it('is neither lost nor taken for another run’s', async () => {
    const file = await fresh();
    await expect(openFeatureFile(file, identity, false)).rejects.toMatchObject({ code: 'run-unfinished', exitCode: 2 });
    await expect(openFeatureFile(file, { ...identity, task: 'tnews' }, true)).rejects.toMatchObject({
      code: 'resume-differs',
    });
  });
});
