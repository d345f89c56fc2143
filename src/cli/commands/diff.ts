/** fsb diff A B: are these the same model? Formats, dtypes on disk and converted folders do not matter. */
import { diffTensors, openCanonicalTensors } from '../../convert/canonical-tensors.ts';
import { ValidationError } from '../../util/errors.ts';
import { type CommandModule, example } from '../command.ts';
import type { CommonOptions } from '../context.ts';
import { locate } from '../ensure.ts';

export const command: CommandModule = {
  declare(command, run) {
    command
      .argument('<a>', 'checkpoint or model: name, folder or file')
      .argument('<b>', 'the other one')
      .action(
        run(async (context, a: string, b: string, _options: CommonOptions) => {
          const left = await openCanonicalTensors(await locate(context, a));
          const right = await openCanonicalTensors(await locate(context, b)).catch(async (error: unknown) => {
            await left.close();
            throw error;
          });
          try {
            const differences = await diffTensors(left, right, context.signal);
            const total = new Set([...left.tensors.keys(), ...right.tensors.keys()]).size;
            context.output.result(
              { schema: 'fsb.diff/1', ...{ same: differences.length === 0, tensors: total, differences } },
              () =>
                differences.length === 0
                  ? `the same model: all ${total} tensors have the same numbers`
                  : [
                      `different: ${differences.length} of ${total} tensors`,
                      ...differences.map(
                        ({ name, difference, maxDifference }) =>
                          `  ${name}: ${difference}${maxDifference === undefined ? '' : `, max |Δ| ${maxDifference.toExponential(2)}`}`,
                      ),
                    ].join('\n'),
            );
            if (differences.length > 0)
              throw new ValidationError(`${a} and ${b} are not the same model`, {
                code: 'models-differ',
                facts: { differences: differences.length },
              });
          } finally {
            await Promise.all([left.close(), right.close()]);
          }
        }),
      );
    example(command, 'fsb diff erlangshen-mini ./my-copy', 'fsb diff ./checkpoint ./converted-model --json');
  },
};
