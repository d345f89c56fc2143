/**
 * A process of its own, started by listDevices with a device as its argument: opens a session there, runs it and sends
 * the outcome to its parent. A driver may crash or print what it likes, the parent is not touched.
 */
import { FsbError, messageOf } from '../util/errors.ts';
import { ATTENTION_GRAPH, isAttentionRight } from './attention-check.ts';
import { openSession } from './open-session.ts';
import { runTinyGraph, TINY_GRAPH } from './tiny-graph.ts';

export interface ProbeOutcome {
  readonly device: string;
  readonly available: boolean;
  readonly reason?: string;
  /** What an available device is not used for, and why. */
  readonly limitation?: string;
  /** What the machine needs for it to work. */
  readonly hint?: string;
}

async function probe(name: string): Promise<ProbeOutcome> {
  try {
    const session = await openSession(TINY_GRAPH, { device: name });
    await runTinyGraph(session);
    await session.dispose();
    const limitation = await findLimitation(name);
    return { device: session.device, available: true, ...(limitation && { limitation }) };
  } catch (error) {
    const reason = error instanceof FsbError && error.facts.reason;
    const hint = error instanceof FsbError ? error.hint : undefined;
    return {
      device: name,
      available: false,
      reason: typeof reason === 'string' ? reason : messageOf(error),
      ...(hint && { hint }),
    };
  }
}

async function findLimitation(name: string): Promise<string | undefined> {
  if (name !== 'webgpu') return undefined;
  const session = await openSession(ATTENTION_GRAPH, { device: name });
  const isRight = await isAttentionRight(session);
  await session.dispose();
  return isRight ? undefined : 'attention is wrong with this driver, so that it runs on the CPU';
}

const outcome = await probe(process.argv[2] ?? 'cpu');
process.send?.(outcome, () => process.disconnect());
