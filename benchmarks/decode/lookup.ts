/**
 * Prompt lookup against one token at a time, greedy, in turns on one opened model: tokens per second, and whether the
 * tokens are the same.
 *
 *   npm run build && npx tsx benchmarks/decode/lookup.ts MODEL_FOLDER [--new 128] [--rounds 5] [--threads 2] [--save NAME]
 *
 * MODEL_FOLDER: a decoder of fsb convert, from a checkpoint of benchmarks/checkpoints/make-checkpoint.ts. Greedy search on
 * random weights runs into a loop, which is the text that repeats; a repetition penalty keeps it from that, which is the
 * text that does not.
 */
import { parseArgs } from 'node:util';
import { median } from '../../src/bench/statistics.ts';
import { generate } from '../../src/generation/generate.ts';
import type { GenerationOptions } from '../../src/generation/options.ts';
import { Decoder } from '../../src/pipelines/decoder.ts';
import { FSB_VERSION } from '../../src/util/version.ts';
import { markdownTable } from '../report/markdown-table.ts';
import { provenance, updateReadme, writeResults } from '../report/provenance.ts';

const TEXTS: Readonly<Record<string, GenerationOptions>> = {
  'repeats itself': {},
  'does not': { repetitionPenalty: 1.5 },
};

interface Trial {
  readonly tokens: readonly number[];
  readonly seconds: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    new: { type: 'string', default: '128' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: '2' },
    save: { type: 'string' },
  },
});
const [folder] = positionals;
if (folder === undefined) throw new Error('expected a model folder; see the head of this file');
const [newTokens, rounds, threads] = [Number(values.new), Number(values.rounds), Number(values.threads)];
const machine = provenance();
const model = await Decoder.open(folder, { threads });
const prompt = Array.from({ length: 64 }, (_, i) => (i * 7919 + 13) % 50000);
await decode({}, true); // warm-up

const rows = [];
for (const [text, options] of Object.entries(TEXTS)) {
  const [plain, lookup]: [Trial[], Trial[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    plain.push(await decode(options, false));
    lookup.push(await decode(options, true));
  }
  const [expected] = plain;
  rows.push({
    text,
    plain: median(plain.map(({ seconds }) => (newTokens - 1) / seconds)),
    lookup: median(lookup.map(({ seconds }) => (newTokens - 1) / seconds)),
    isSame: [...plain, ...lookup].every(({ tokens }) => tokens.join() === expected!.tokens.join()),
  });
}
const { name, dtype } = model.manifest;
await model.dispose();
const table = markdownTable(
  ['model', 'text', 'plain tok/s', 'lookup tok/s', '×', 'tokens'],
  rows.map(({ text, plain, lookup, isSame }) => [
    `${name.replace(/-[0-9a-f]{8}$/, '')} ${dtype}`,
    text,
    plain.toFixed(1),
    lookup.toFixed(1),
    (lookup / plain).toFixed(2),
    isSame ? 'the same' : 'differ',
  ]),
);
console.log(table);
if (values.save !== undefined) {
  const file = writeResults('decode', `lookup-${values.save}`, {
    benchmark: 'decode/lookup',
    ...machine,
    ...{ model: name, dtype, newTokens, rounds, rows },
  });
  const command = `npx tsx benchmarks/decode/lookup.ts ${values.save} --new ${newTokens} --rounds ${rounds} --threads ${threads}`;
  updateReadme(
    `decode:lookup-${values.save}`,
    `\`${command}\`: ${machine.cpu}, ${threads} threads, load ${machine.loadBefore.toFixed(1)} before; fsb ${FSB_VERSION} (${machine.date.slice(0, 10)}, ${file})\n\n${table}`,
  );
}

/** Seconds are those after the first token. */
async function decode(options: GenerationOptions, promptLookup: boolean): Promise<Trial> {
  let first = 0;
  const onToken = (): void => {
    if (first === 0) first = performance.now();
  };
  const all = { ...options, maxNewTokens: newTokens, minNewTokens: newTokens, promptLookup };
  const [sequence] = await generate(model, prompt, all, { onToken });
  return { tokens: sequence!.tokens, seconds: (performance.now() - first) / 1000 };
}
