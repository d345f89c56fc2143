/** Conversion and runtime together give the reference's numbers, for every golden checkpoint. */
import { readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { isEqual, readGolden } from '../benchmarks/parity/compare.ts';
import { measureParity } from '../benchmarks/parity/measure.ts';
import { convertCheckpoint } from '../src/convert/convert.ts';
import { summarizeGraph } from '../src/onnx/summary.ts';
import { requireProbes, runProbes } from '../src/pipelines/check-model.ts';
import { scratchFolder } from './helpers/scratch.ts';
import { sharedSet } from './helpers/shared.ts';

const COMMITTED = fileURLToPath(new URL('fixtures/models', import.meta.url));
const scratch = scratchFolder('parity');

const folders = [COMMITTED, sharedSet('golden/models')].flatMap((root) =>
  root === undefined ? [] : readdirSync(root).map((name) => path.join(root, name)),
);
const cases = folders;

describe('a converted model', () => {
  it.each(cases.map((folder, i) => [path.basename(folder), folder, i] as const))(
    'gives the numbers of PyTorch: %s',
    async (_name, folder, i) => {
      const target = path.join(scratch, String(i));
      const manifest = await convertCheckpoint(folder, target);
      requireProbes(await runProbes(target, manifest), manifest.name);
      const parity = await measureParity(target, readGolden(folder));
      expect(parity).toSatisfy(isEqual);
    },
  );

  it('fails its probes when a weight is not the checkpoint’s', async () => {
    const target = path.join(scratch, 'damaged');
    const manifest = await convertCheckpoint(cases[0]!, target);
    const graph = manifest.graphs[0]!;
    const { initializers } = await summarizeGraph(path.join(target, graph.file));
    const weight = initializers.find(({ name }) => name === 'encoder.layer.0.attention.self.query.weight')!;
    const handle = await open(path.join(target, graph.dataFile!), 'r+');
    await handle.write(new Uint8Array(weight.sizeBytes), 0, weight.sizeBytes, weight.external!.offset);
    await handle.close();
    const results = await runProbes(target, manifest);
    expect(() => requireProbes(results, 'damaged')).toThrow(
      expect.objectContaining({ exitCode: 9, code: 'probe-failed' }),
    );
  });
});
