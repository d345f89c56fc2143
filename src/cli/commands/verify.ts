/** fsb verify NAME|DIR: are the files what they were, and does the model still compute what it should? */
import path from 'node:path';
import { verifyCheckpoint } from '../../hub/verify.ts';
import { type Manifest, readManifest } from '../../registry/manifest.ts';
import { IntegrityError } from '../../util/errors.ts';
import { pathExists, sha256OfFile } from '../../util/files.ts';
import { type CommandModule, example } from '../command.ts';
import type { CommonOptions, Context } from '../context.ts';
import { locate } from '../ensure.ts';
import { explained, explainOption } from '../explain.ts';
import { type DeviceOptions, deviceOptions } from '../running.ts';

interface Options extends CommonOptions, DeviceOptions {
  readonly explain?: boolean;
}

interface FileStatus {
  readonly path: string;
  readonly status: 'ok' | 'differs' | 'missing';
}

export const command: CommandModule = {
  declare(command, run) {
    explainOption(deviceOptions(command.argument('<target>', 'name, checkpoint folder or model folder'))).action(
      run(async (context, target: string, options: Options) => {
        const folder = await locate(context, target);
        const isModel = await pathExists(path.join(folder, 'manifest.json'));
        const files = isModel ? await modelFiles(context, folder) : await checkpointFiles(context, folder);
        const intact = files.every(({ status }) => status === 'ok');
        const probes = isModel && intact ? await modelProbes(context, folder, options) : [];
        const ok = intact && probes.every((probe) => probe.ok);
        context.output.result({ schema: 'fsb.verify/1', ...{ ok, path: folder, files, probes } }, () =>
          [
            ...files.map((file) => `${file.status.padEnd(8)}${file.path}`),
            ...probes.map(
              (probe) =>
                `${probe.ok ? 'ok' : 'differs'}`.padEnd(8) +
                `probe ${probe.output}: max |Δ| ${probe.maxDifference.toExponential(2)}, tolerance ${probe.tolerance.toExponential(1)}`,
            ),
          ].join('\n'),
        );
        if (!intact) {
          const bad = files.filter(({ status }) => status !== 'ok');
          throw new IntegrityError(
            `${folder}: ${bad.length} of ${files.length} files are not what they should be: ${bad.map((file) => file.path).join(', ')}`,
            {
              code: 'files-differ',
              hint: isModel ? 'convert the model again' : 'pull or import it again',
            },
          );
        }
        if (!ok) {
          const { requireProbes } = await import('../../pipelines/check-model.ts');
          requireProbes(probes, target);
        }
      }),
    );
    example(command, 'fsb verify erlangshen-mini', 'fsb verify ./my-model --device cpu --json');
  },
};

// --- internal ---

async function checkpointFiles(context: Context, folder: string): Promise<FileStatus[]> {
  const progress = await context.output.progress(context.messages.verifying(folder), 'bytes');
  let done = 0;
  try {
    const { files } = await verifyCheckpoint(folder, {
      signal: context.signal,
      onBytes(bytes, total) {
        done += bytes;
        progress.update(done, total);
      },
    });
    return files.map(({ path: file, status }) => ({ path: file, status }));
  } finally {
    progress.stop();
  }
}

async function modelFiles(context: Context, folder: string): Promise<FileStatus[]> {
  const manifest = await readManifest(folder);
  const statuses: FileStatus[] = [];
  for (const { file, sha256 } of hashedFiles(manifest)) {
    const place = path.join(folder, file);
    if (!(await pathExists(place))) statuses.push({ path: file, status: 'missing' });
    else
      statuses.push({ path: file, status: (await sha256OfFile(place, context.signal)) === sha256 ? 'ok' : 'differs' });
  }
  return statuses;
}

/** Graphs and the data files they share, each once. */
function hashedFiles({ graphs }: Manifest): { file: string; sha256: string }[] {
  const files = new Map<string, string>();
  for (const graph of graphs) {
    files.set(graph.file, graph.sha256);
    if (graph.dataFile !== null && graph.dataSha256 !== null) files.set(graph.dataFile, graph.dataSha256);
  }
  return [...files].map(([file, sha256]) => ({ file, sha256 }));
}

async function modelProbes(context: Context, folder: string, options: Options) {
  const { runProbes } = await import('../../pipelines/check-model.ts');
  const manifest = await readManifest(folder);
  return explained(context, options.explain, (recording) =>
    runProbes(folder, manifest, {
      device: options.device ?? 'auto',
      threads: options.threads ?? context.environment.threads,
      onWarning: (message) => context.output.warn(message),
      ...recording,
    }),
  );
}
