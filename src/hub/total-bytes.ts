/** What files take on the disk. */
import type { SourceFile } from './sources/source.ts';

/** undefined while a source does not tell every size. */
export function totalOf(files: readonly SourceFile[]): number | undefined {
  let total = 0;
  for (const { sizeBytes } of files) {
    if (sizeBytes === undefined) return undefined;
    total += sizeBytes;
  }
  return total;
}

/** Disk that a pull needs from nothing: the files, and beside them the packed ones that are unpacked at a time. */
export function spaceFor(files: readonly SourceFile[], filesAtOnce: number): number {
  const packed = files.map(({ packedBytes = 0 }) => packedBytes).sort((a, b) => b - a);
  return (totalOf(files) ?? 0) + packed.slice(0, filesAtOnce).reduce((sum, bytes) => sum + bytes, 0);
}
