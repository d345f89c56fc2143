/** The rows of the encoder benchmark: AFQMC's dev set where it lies beside the repository, else texts of like lengths. */
import path from 'node:path';
import { loadSplit } from '../../src/evaluation/dataset.ts';
import { getClueTask } from '../../src/evaluation/tasks/index.ts';
import { openTokenizer } from '../../src/tokenizers/open.ts';
import { pathExists } from '../../src/util/files.ts';
import { REPOSITORY } from '../report/provenance.ts';
import type { EncodedRow } from './protocol.ts';

const AFQMC = path.resolve(REPOSITORY, '..', 'shared', 'data', 'clue', 'afqmc_public.zip');

/** Shares of AFQMC dev rows (of 4316) by tokens of the pair, in steps of STEP from 0. */
const SHARES = [0, 0.126, 0.532, 0.237, 0.063, 0.023, 0.01, 0.005, 0.002, 0.001, 0.001] as const;
const STEP = 10;
const SYNTHETIC_ROWS = 4316;

export interface Rows {
  /** What the rows are, for the results. */
  readonly source: string;
  readonly rows: readonly EncodedRow[];
}

/** Encodes the rows with the checkpoint's tokenizer, in the input form of the task. */
export async function loadRows(checkpoint: string): Promise<Rows> {
  if (!(await pathExists(AFQMC))) return { source: 'synthetic, lengths as AFQMC dev', rows: syntheticRows() };
  const task = getClueTask('afqmc');
  const { examples, file } = await loadSplit({ task, source: AFQMC });
  const tokenizer = await openTokenizer(checkpoint);
  const rows = examples.map(({ text, pair }) =>
    tokenizer.encodeIds(text, { pair, maxLength: 128, truncation: 'longest-first' }),
  );
  return {
    source: `afqmc_public.zip/${path.basename(file)}`,
    rows: rows.map(({ ids, typeIds }) => ({ ids: [...ids], typeIds: [...typeIds] })),
  };
}

// --- internal ---

/** Rows whose lengths have the distribution above, in an order that mixes them; ids of ordinary characters. */
function syntheticRows(): EncodedRow[] {
  const lengths = SHARES.flatMap((share, i) =>
    Array.from({ length: Math.round(share * SYNTHETIC_ROWS) }, (_, k) => i * STEP + (k % STEP) + 1),
  );
  const step = 1597; // prime, and no divisor of the number of rows: visits all of them
  return lengths.map((_, i) => {
    const length = lengths[(i * step) % lengths.length]!;
    const ids = Array.from({ length }, (_, t) => 1000 + ((i * 131 + t * 37) % 5000));
    return { ids, typeIds: ids.map((_, t) => (t > length / 2 ? 1 : 0)) };
  });
}
