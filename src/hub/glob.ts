/** File patterns as the hub's own tools take them: Python's fnmatch over the whole path, so `*` crosses `/`. */
import { UsageError } from '../util/errors.ts';

/** True when a path matches one of the patterns: `*`, `?`, `[abc]`, `[!a-z]`; a trailing `/` means all below a folder. */
export function matchesAny(path: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => globToRegExp(pattern).test(path));
}

function globToRegExp(pattern: string): RegExp {
  const whole = pattern.endsWith('/') ? `${pattern}*` : pattern;
  const source = whole.replace(/\[!?\]?[^\]]*\]|\*+|[\s\S]/g, (part) => {
    if (part.startsWith('*')) return '.*';
    if (part === '?') return '.';
    if (part.length > 1) return part.replace(/^\[!/, '[^').replace(/\\/g, '\\\\');
    return part.replace(/[\\^$.|+(){}[\]]/g, '\\$&');
  });
  try {
    return new RegExp(`^${source}$`, 's');
  } catch (error) {
    throw new UsageError(`${JSON.stringify(pattern)} is not a file pattern`, { code: 'bad-pattern', cause: error });
  }
}
