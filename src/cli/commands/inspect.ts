/** fsb inspect FILE|DIR: the tensors of a checkpoint, or the graphs of a model. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { hashTensor } from '../../checkpoint/fingerprint.ts';
import { openCanonicalTensors } from '../../convert/canonical-tensors.ts';
import { type GraphSummary, summarizeGraph, type ValueSummary } from '../../onnx/summary.ts';
import { elementCountOf, type LazyTensor } from '../../tensor/lazy-tensor.ts';
import { isDirectory, pathExists } from '../../util/files.ts';
import { formatBytes, formatParameters } from '../../util/format.ts';
import { type CommandModule, example } from '../command.ts';
import type { CommonOptions, Context } from '../context.ts';
import { locate } from '../ensure.ts';
import { formatTable } from '../table.ts';

interface Options extends CommonOptions {
  readonly hash?: boolean;
}

export const command: CommandModule = {
  declare(command, run) {
    command
      .argument('<target>', 'checkpoint folder or file, model folder, .onnx file, or a name that is on this machine')
      .option('--hash', 'sha256 of each tensor, the same for the same numbers in any format')
      .action(
        run(async (context, target: string, options: Options) => {
          const place = await locate(context, target);
          const graphs = await graphFiles(place);
          if (graphs.length > 0 && !options.hash) await inspectGraphs(context, graphs);
          else await inspectTensors(context, place, options.hash ?? false);
        }),
      );
    example(command, 'fsb inspect erlangshen-mini', 'fsb inspect ./Erlangshen-MegatronBert-1.3B --hash --json');
  },
};

// --- internal ---

async function graphFiles(place: string): Promise<string[]> {
  if (!(await isDirectory(place))) return place.endsWith('.onnx') ? [place] : [];
  if (!(await pathExists(path.join(place, 'manifest.json')))) return [];
  const folder = path.join(place, 'onnx');
  return (await readdir(folder))
    .filter((name) => name.endsWith('.onnx'))
    .sort()
    .map((name) => path.join(folder, name));
}

interface ListedTensor {
  readonly name: string;
  readonly storedName: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly sha256?: string;
}

/** Tensors that make up the model, and beside them what the file holds more: buffers, repeated tensors. */
async function inspectTensors(context: Context, place: string, hash: boolean): Promise<void> {
  const opened = await openCanonicalTensors(place);
  try {
    const list = async (tensor: LazyTensor, name: string): Promise<ListedTensor> => {
      context.signal.throwIfAborted();
      const { dtype, shape } = tensor;
      const storedName = opened.originalNames.get(name) ?? name;
      return { name, storedName, dtype, shape, ...(hash && { sha256: await hashTensor(tensor) }) };
    };
    const tensors: ListedTensor[] = [];
    for (const [name, tensor] of opened.tensors) tensors.push(await list(tensor, name));
    const leftOut: (ListedTensor & { reason: string })[] = [];
    for (const { tensor, reason } of opened.leftOut) leftOut.push({ ...(await list(tensor, tensor.name)), reason });
    const document = { schema: 'fsb.inspect/1', path: place, format: opened.format, tensors, leftOut };
    if (context.output.json) return context.output.result(document, () => '');
    const row = ({ name, dtype, shape, sha256 }: ListedTensor, reason = ''): string[] => [
      name,
      dtype,
      `[${shape.join(', ')}]`,
      ...(sha256 ? [sha256] : []),
      reason,
    ];
    const head = ['tensor', 'dtype', 'shape', ...(hash ? ['sha256'] : []), ''];
    context.output.line(
      await formatTable(context.output, head, [
        ...tensors.map((tensor) => row(tensor)),
        ...leftOut.map((tensor) => row(tensor, tensor.reason)),
      ]),
    );
    const elements = tensors.reduce((sum, { shape }) => sum + elementCountOf(shape), 0);
    context.output.note(`${opened.format}, ${tensors.length} tensors, ${formatParameters(elements)} numbers`);
  } finally {
    await opened.close();
  }
}

async function inspectGraphs(context: Context, files: readonly string[]): Promise<void> {
  const graphs = await Promise.all(files.map(summarizeGraph));
  if (context.output.json) return context.output.result({ schema: 'fsb.inspect/1', ...{ graphs } }, () => '');
  for (const graph of graphs) context.output.line(await describeGraph(context, graph));
}

async function describeGraph(context: Context, graph: GraphSummary): Promise<string> {
  const values = (kind: string, list: readonly ValueSummary[]): string[][] =>
    list.map(({ name, dtype, shape }) => [kind, name, dtype, `[${shape.join(', ')}]`]);
  const table = await formatTable(
    context.output,
    ['', 'name', 'dtype', 'shape'],
    [...values('input', graph.inputs), ...values('output', graph.outputs)],
  );
  const operators = Object.entries(graph.operators).map(([name, count]) => `${name} ×${count}`);
  const bytes = graph.initializers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return [
    context.output.style.bold(graph.file),
    table,
    `operators: ${operators.join(', ')}`,
    `weights: ${graph.initializers.length} (${formatBytes(bytes)}), graph ${formatBytes(graph.sizeBytes)}, by ${graph.producer}`,
    '',
  ].join('\n');
}
