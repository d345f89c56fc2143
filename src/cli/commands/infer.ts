/** fsb infer MODEL --ids JSON|@FILE: the graph's named outputs, for checks against other implementations. */
import path from 'node:path';
import type { Row, RowOutput } from '../../pipelines/encoder.ts';
import { openRunnable, type Runnable } from '../../pipelines/runnable.ts';
import { encodeText } from '../../pipelines/texts.ts';
import { npyBytes } from '../../tensor/npy.ts';
import { UsageError } from '../../util/errors.ts';
import { makeFolder, writeBytes } from '../../util/files.ts';
import { type CommandModule, example } from '../command.ts';
import type { Context } from '../context.ts';
import { readIdRows } from '../rows.ts';
import { type RunningOptions, runningOptions, withModel } from '../running.ts';

interface Options extends RunningOptions {
  readonly ids?: string;
  readonly text?: string;
  readonly pair?: string;
  readonly outputs?: string;
  readonly npy?: string;
}

interface NamedOutput extends RowOutput {
  readonly row: number;
  readonly name: string;
}

export const command: CommandModule = {
  declare(command, run) {
    runningOptions(command.argument('<model>', 'name, alias, hub id or folder'))
      .option(
        '--ids <json>',
        'rows {"input_ids": […], "attention_mask"?, "token_type_ids"?, "position_ids"?, "decoder_input_ids"?} as JSON or @FILE',
      )
      .option('--text <text>', 'a text instead of ids')
      .option('--pair <text>', 'second text of a pair')
      .option('--outputs <names>', 'comma-separated (default: all)')
      .option('--npy <dir>', 'write each output as a NumPy file and print the paths')
      .action(
        run(async (context, name: string, options: Options) => {
          if ((options.ids === undefined) === (options.text === undefined))
            throw new UsageError('give either --ids or --text', { code: 'no-input' });
          await withModel(context, name, options, openRunnable, async (model) => {
            const rows =
              options.ids === undefined
                ? [encodeText(model, { text: options.text!, pair: options.pair })]
                : await readIdRows(options.ids);
            const wanted = options.outputs?.split(',') ?? model.outputs;
            const outputs = await runRows(model, rows, wanted, context.signal);
            if (options.npy === undefined) printOutputs(context, model, outputs);
            else await writeOutputs(context, model, outputs, options.npy);
          });
        }),
      );
    example(
      command,
      'fsb infer erlangshen-mini --ids \'[{"input_ids":[101,974,102]}]\' --outputs pooler_output',
      'fsb infer erlangshen-mini --text "床前明月光" --npy out',
    );
  },
};

// --- internal ---

async function runRows(
  model: Runnable,
  rows: readonly Row[],
  names: readonly string[],
  signal: AbortSignal,
): Promise<NamedOutput[]> {
  const results = await model.run(rows, names, signal);
  return results.flatMap((outputs, row) => outputs.map((output, i) => ({ row, name: names[i]!, ...output })));
}

function printOutputs(context: Context, model: Runnable, outputs: readonly NamedOutput[]): void {
  const document = {
    schema: 'fsb.infer/1',
    model: model.manifest.name,
    outputs: outputs.map(({ row, name, shape, values }) => ({
      row,
      name,
      shape,
      dtype: 'float32',
      values: Array.from(values),
    })),
  };
  context.output.result(document, () =>
    outputs
      .map(({ row, name, shape, values }) => {
        const shown = Array.from(values.subarray(0, 6), (value) => value.toPrecision(6)).join(' ');
        return `row ${row}  ${name}  [${shape.join(', ')}]  ${shown}${values.length > 6 ? ' …' : ''}`;
      })
      .join('\n'),
  );
}

async function writeOutputs(
  context: Context,
  model: Runnable,
  outputs: readonly NamedOutput[],
  folder: string,
): Promise<void> {
  await makeFolder(folder);
  const files: { row: number; name: string; shape: readonly number[]; path: string }[] = [];
  for (const { row, name, shape, values } of outputs) {
    const file = path.join(folder, `${row}.${name}.npy`);
    await writeBytes(file, npyBytes(values, shape));
    files.push({ row, name, shape, path: file });
  }
  context.output.result({ schema: 'fsb.infer/1', ...{ model: model.manifest.name, outputs: files } }, () =>
    files.map((file) => file.path).join('\n'),
  );
}
