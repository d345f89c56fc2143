/** Which of a model's sources lists it: the first that can. */
import { type FsbError, messageOf, NetworkError, NotFoundError, RefusedError, UsageError } from '../util/errors.ts';
import { selectFiles } from './checkpoint-files.ts';
import { hasRevision, labelOf, openSource, type SourceContext } from './choose-source.ts';
import type { PullOptions } from './pull-options.ts';
import { withRetries } from './retries.ts';
import type { Source, SourceFile, SourceSpec } from './sources/source.ts';
import { totalOf } from './total-bytes.ts';
import type { TransferOptions } from './transfer-options.ts';

/** The files of a source that are the checkpoint. */
export interface SelectedListing {
  readonly revision: string | undefined;
  readonly files: readonly SourceFile[];
  readonly leftOut: readonly string[];
  readonly isHere: boolean;
  readonly hasHashes: boolean;
}

/** After these another source is asked. Of several, the first kind here is told: it is the one that may pass. */
const FAILURES = [NetworkError, RefusedError, NotFoundError] as const;

/** The first source that lists the model. One that fails, refuses or has it not makes the next one's turn. */
export async function openPrimary(
  specs: readonly SourceSpec[],
  options: PullOptions,
  context: SourceContext,
  { retry }: TransferOptions,
  opened: Source[],
  passOver: (source: string, reason: string) => void,
) {
  const candidates = listingSources(specs, options, passOver);
  const failures: { source: string; error: FsbError }[] = [];
  for (const [at, spec] of candidates.entries()) {
    options.onEvent?.({ type: 'source', source: labelOf(spec) });
    try {
      const primary = await openSource(spec, context);
      opened.push(primary);
      // with another place to turn to, a few seconds of patience are enough
      const patience =
        at + 1 < candidates.length && retry ? { ...retry, attempts: Math.min(2, retry.attempts) } : retry;
      // an archive's directory takes several requests, each with its own retries
      const found =
        spec.kind === 'archive'
          ? await primary.list(options.signal)
          : await withRetries(() => primary.list(options.signal), patience, options.signal);
      return { primary, spec, listing: select(found, primary, spec, options, context.isPlan) };
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!FAILURES.some((type) => error instanceof type)) throw error;
      failures.push({ source: labelOf(spec), error: error as FsbError });
      if (at + 1 < candidates.length) passOver(labelOf(spec), messageOf(error));
    }
  }
  throw failureOfAll(options.name, failures);
}

// --- internal ---

/** Sources that can say which files there are, of the wanted revision. */
function listingSources(
  specs: readonly SourceSpec[],
  { name, revision }: PullOptions,
  passOver: (source: string, reason: string) => void,
): readonly SourceSpec[] {
  const listing = specs.filter((spec) => spec.kind !== 'http-folder');
  const [folder] = specs;
  if (listing.length === 0)
    throw new UsageError(`${folder ? labelOf(folder) : name}: nothing says which files are there`, {
      code: 'no-listing',
      hint: 'give the URL of a zip, or pull from a hub as well',
    });
  if (revision === undefined) return listing;
  const candidates = listing.filter((spec) => hasRevision(spec, revision));
  if (candidates.length === 0)
    throw new UsageError(`${name}: none of its sources has a revision ${JSON.stringify(revision)}`, {
      code: 'no-revisions',
      hint: `leave --revision out; its sources: ${listing.map(labelOf).join(', ')}`,
    });
  for (const spec of listing)
    if (!candidates.includes(spec)) passOver(labelOf(spec), `it has no revision ${JSON.stringify(revision)}`);
  return candidates;
}

function failureOfAll(name: string, failures: readonly { source: string; error: FsbError }[]): FsbError {
  const [first] = FAILURES.flatMap((type) => failures.filter(({ error }) => error instanceof type));
  if (failures.length === 1) return first!.error;
  const { code, hint, facts } = first!.error;
  const Failure = first!.error.constructor as (typeof FAILURES)[number];
  const reasons = failures.map(({ source, error }) => `  ${source}: ${error.message}`);
  return new Failure(`${name}: none of its ${failures.length} sources can give it\n${reasons.join('\n')}`, {
    code,
    hint,
    facts: { ...facts, sources: failures.map(({ source, error }) => ({ source, code: error.code })) },
    cause: first!.error,
  });
}

function select(
  { revision, files, leftOut = [], isHere = false }: Awaited<ReturnType<Source['list']>>,
  primary: Source,
  spec: SourceSpec,
  options: PullOptions,
  isPlan: boolean,
) {
  // A URL of one file is taken at its word; a repository holds much that is no part of a checkpoint.
  const isOneFile = spec.kind === 'http' || (isPlan && spec.kind === 'archive' && files[0]?.sizeBytes === undefined);
  const selected = isOneFile ? files : selectFiles(files, options, primary.label);
  options.onEvent?.({ type: 'files', revision, files: selected, totalBytes: totalOf(selected) });
  const hasHashes = files.some((file) => file.sha256 !== undefined || file.gitSha1 !== undefined);
  return { revision, files: selected, leftOut, isHere, hasHashes };
}
