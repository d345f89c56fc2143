/** fsb as a peer of the encoder benchmark: peer-fsb.ts MODEL_FOLDER WORKLOAD THREADS */
import { readFileSync } from 'node:fs';
import readline from 'node:readline';
import { Encoder } from '../../src/pipelines/encoder.ts';
import { FSB_VERSION } from '../../src/util/version.ts';
import type { Order, PeerInfo, Workload } from './protocol.ts';

const [folder = '', workloadFile = '', threads] = process.argv.slice(2);
const model = await Encoder.open(folder, { threads: Number(threads) });
const { batches } = JSON.parse(readFileSync(workloadFile, 'utf8')) as Workload;
const info: PeerInfo = { version: `${FSB_VERSION} (${model.runtime})` };
console.log(JSON.stringify(info));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { order } = JSON.parse(line) as { order: Order };
  const cpu = process.cpuUsage();
  const started = performance.now();
  const logits: number[] = [];
  for (const batch of batches[order])
    for (const [row] of await model.run(batch, ['class_logits'])) logits.push(...row!.values);
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, logits }));
}
await model.dispose();
