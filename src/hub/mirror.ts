/** A further source that helps the first: asked once, for files that are the very same. */
import { messageOf } from '../util/errors.ts';
import { labelOf, openSource, type SourceContext } from './choose-source.ts';
import { withRetries } from './retries.ts';
import type { Source, SourceFile, SourceSpec } from './sources/source.ts';
import type { Supplier } from './suppliers.ts';
import type { TransferOptions } from './transfer-options.ts';

/** Asks a further source, once, when the first file wants it; a function from a file to what it can do for it. */
export function mirrorOf(
  spec: SourceSpec,
  context: SourceContext,
  { retry }: TransferOptions,
  opened: Source[],
  passOver: (source: string, reason: string) => void,
): (file: SourceFile) => Promise<Supplier | undefined> {
  const open = async (): Promise<
    { source: Source; files: ReadonlyMap<string, SourceFile> | undefined } | undefined
  > => {
    try {
      const source = await openSource(spec, context);
      opened.push(source);
      if (spec.kind === 'http-folder') return { source, files: undefined };
      const { files } = await withRetries(() => source.list(context.signal), retry, context.signal);
      return { source, files: new Map(files.map((file) => [file.path, file])) };
    } catch (error) {
      if (!context.signal?.aborted) passOver(labelOf(spec), messageOf(error));
      return undefined;
    }
  };
  let mirror: ReturnType<typeof open> | undefined;
  return async (file) => {
    mirror ??= open();
    const found = await mirror;
    if (!found) return undefined;
    if (!found.files) return { source: found.source, file };
    const same = found.files.get(file.path);
    if (!same) return undefined;
    const differs = (a: unknown, b: unknown): boolean => a !== undefined && b !== undefined && a !== b;
    if (
      differs(same.sizeBytes, file.sizeBytes) ||
      differs(same.sha256, file.sha256) ||
      differs(same.gitSha1, file.gitSha1)
    ) {
      passOver(labelOf(spec), `${file.path}: it lists other bytes than the published ones`);
      return undefined;
    }
    return { source: found.source, file: same };
  };
}
