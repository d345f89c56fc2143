/** fsb embed MODEL TEXT… */
import { embed, POOLINGS, parsePooling } from '../../pipelines/embed.ts';
import { Encoder } from '../../pipelines/encoder.ts';
import { truncatedMark } from '../../pipelines/texts.ts';
import { npyBytes } from '../../tensor/npy.ts';
import { UsageError } from '../../util/errors.ts';
import { writeBytes } from '../../util/files.ts';
import { type CommandModule, example } from '../command.ts';
import { readAndPrint, warnOfTruncation } from '../reading.ts';
import { readTexts } from '../rows.ts';
import { inBatches, type ReadingOptions, readingOptions, withEncoder } from '../running.ts';

interface Options extends ReadingOptions {
  readonly pooling: string;
  readonly normalize?: boolean;
  readonly npy?: string;
}

export const command: CommandModule = {
  declare(command, run) {
    readingOptions(command.argument('<model>', 'name, alias, hub id or folder').argument('[text...]', 'texts to embed'))
      .option('--pooling <how>', `${POOLINGS.join(', ')}`, 'mean')
      .option('--normalize', 'scale each vector to length 1')
      .option('--npy <file>', 'write the vectors to a NumPy file (texts, hidden size) and print its path')
      .action(
        run(async (context, model: string, texts: string[], options: Options) => {
          const pooling = parsePooling(options.pooling);
          const settings = { pooling, normalize: options.normalize ?? false, signal: context.signal };
          const { npy } = options;
          if (npy !== undefined) {
            if (options.jsonl) throw new UsageError('--npy and --jsonl exclude each other', { code: 'two-outputs' });
            await withEncoder(context, model, options, async (encoder) => {
              const vectors: Float32Array[] = [];
              let truncated = 0;
              const onTruncated = (): void => void truncated++;
              for await (const rows of inBatches(readTexts(texts, options.input)))
                vectors.push(
                  ...(await embed(
                    encoder,
                    rows.map(({ text }) => text),
                    { ...settings, onTruncated },
                  )),
                );
              warnOfTruncation(context, truncated, vectors.length);
              const size = vectors[0]?.length ?? 0;
              const flat = new Float32Array(vectors.length * size);
              for (const [i, vector] of vectors.entries()) flat.set(vector, i * size);
              await writeBytes(npy, npyBytes(flat, [vectors.length, size]));
              context.output.result(
                {
                  schema: 'fsb.embed/1',
                  ...{ model: encoder.manifest.name, path: npy, shape: [vectors.length, size] },
                },
                () => npy,
              );
            });
            return;
          }
          await readAndPrint(context, options, {
            schema: 'fsb.embed/1',
            model,
            texts,
            open: Encoder.open,
            run: async (encoder, rows) => {
              const cut = new Set<number>();
              const vectors = await embed(
                encoder,
                rows.map(({ text }) => text),
                { ...settings, onTruncated: (index) => cut.add(index) },
              );
              return rows.map(({ id, text }, i) => ({
                ...(id !== undefined && { id }),
                text,
                ...truncatedMark({ truncated: cut.has(i) }),
                embedding: Array.from(vectors[i]!),
              }));
            },
            print: ({ embedding }) => embedding.map((value) => value.toPrecision(9)).join(' '),
          });
        }),
      );
    example(
      command,
      'fsb embed erlangshen-mini "床前明月光" --pooling mean --normalize',
      'fsb embed erlangshen-mini "床前明月光" "举头望明月" --npy vectors.npy',
    );
  },
};
