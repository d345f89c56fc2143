/**
 * A process of its own, started by listDevices with a device as its argument: opens a session there, runs it and sends
 * the outcome to its parent. A driver may crash or print what it likes, the parent is not touched.
 */
import { FsbError, messageOf } from '../util/errors.ts';
import { openSession } from './open-session.ts';
import { runTinyGraph, TINY_GRAPH } from './tiny-graph.ts';

export interface ProbeOutcome {
  readonly device: string;
  readonly available: boolean;
  readonly reason?: string;
  /** What the machine needs for it to work. */
  readonly hint?: string;
}

async function probe(name: string): Promise<ProbeOutcome> {
  try {
    const session = await openSession(TINY_GRAPH, { device: name });
    await runTinyGraph(session);
    await session.dispose();
    return { device: session.device, available: true };
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

const outcome = await probe(process.argv[2] ?? 'cpu');
process.send?.(outcome, () => process.disconnect());
