/** The thread behind quantizer.ts: takes requests, answers in their order. */
import { parentPort } from 'node:worker_threads';
import { quantize } from './quantize.ts';
import type { QuantizeRequest } from './quantizer.ts';

parentPort!.on('message', ({ rows, columns, format }: QuantizeRequest) => {
  const result = quantize(rows, columns, format);
  parentPort!.postMessage(
    result,
    Object.values(result).map(({ buffer }) => buffer as ArrayBuffer),
  );
});
