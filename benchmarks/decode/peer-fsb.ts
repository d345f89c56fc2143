/** fsb as a peer of the decode benchmark: tsx peer-fsb.ts MODEL_FOLDER THREADS */
import readline from 'node:readline';
import { generate } from '../../src/generation/generate.ts';
import { Decoder } from '../../src/pipelines/decoder.ts';
import { FSB_VERSION } from '../../src/util/version.ts';
import type { DecodeRequest } from './protocol.ts';

const [folder = '', threads = '2'] = process.argv.slice(2);
const started = performance.now();
const model = await Decoder.open(folder, { threads: Number(threads) });
console.log(JSON.stringify({ version: FSB_VERSION, loadMs: performance.now() - started }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { prompt, newTokens } = JSON.parse(line) as DecodeRequest;
  const begun = performance.now();
  let first = 0;
  await generate(
    model,
    prompt,
    { maxNewTokens: newTokens, promptLookup: false },
    {
      onToken: () => {
        if (first === 0) first = performance.now();
      },
    },
  );
  const ended = performance.now();
  console.log(
    JSON.stringify({
      prefillMs: first - begun,
      decodeMs: ended - first,
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
    }),
  );
}
