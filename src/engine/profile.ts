/**
 * Reads what ONNX Runtime records of a session (core/common/profiler.cc): a JSON array with one event per line. Events
 * of category "Node" are operators on the thread that runs the graph; those of category "Api" are WebGPU's, with the
 * device's own clock, named "address&operator&program".
 */
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { IntegrityError } from '../util/errors.ts';
import { kindOfProvider } from './device.ts';

/** What the runs of an operator type on a device took. */
export interface OperatorUse {
  /** ONNX operator type, such as "MatMul". */
  readonly operator: string;
  /** Kind of device: "cpu", "webgpu", "cuda", …. */
  readonly device: string;
  /** Nodes of the graph, after ONNX Runtime has rewritten it. */
  readonly nodes: number;
  readonly calls: number;
  /** By the device's clock where it has one, else what the calling thread spent. */
  readonly microseconds: number;
}

export interface Profile {
  readonly operators: readonly OperatorUse[];
  /** Run by run: what copies inside the graph moved between main memory and the device. */
  readonly copies: readonly { readonly toDeviceBytes: number; readonly toHostBytes: number }[];
}

/** A folder of its own for one recording. */
export interface ProfileFolder {
  /** ONNX Runtime appends the date and ".json". */
  readonly prefix: string;
  /** Reads the recording, which has ended. */
  read(): Promise<Profile>;
  remove(): Promise<void>;
}

interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  /** Microseconds. */
  readonly dur: number;
  readonly args: { readonly op_name?: string; readonly provider?: string; readonly output_size?: string };
}

/** Makes the folder. */
export async function createProfileFolder(): Promise<ProfileFolder> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'fsb-profile-'));
  return {
    prefix: path.join(folder, 'run'),
    async read() {
      const [file] = await readdir(folder);
      if (file === undefined) return { operators: [], copies: [] };
      return summarize(readEvents(path.join(folder, file)));
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Adds events up. */
export async function summarize(events: AsyncIterable<ProfileEvent> | Iterable<ProfileEvent>): Promise<Profile> {
  const uses = new Map<string, { operator: string; device: string; nodes: Set<string>; calls: number; time: number }>();
  const deviceTimes = new Map<string, number>();
  const copies: { toDeviceBytes: number; toHostBytes: number }[] = [];
  let current = { toDeviceBytes: 0, toHostBytes: 0 };
  for await (const { cat, name, dur, args } of events) {
    if (cat === 'Node' && args.op_name !== undefined) {
      const bytes = Number(args.output_size ?? 0);
      if (args.op_name === 'MemcpyFromHost') current.toDeviceBytes += bytes;
      if (args.op_name === 'MemcpyToHost') current.toHostBytes += bytes;
      const device = kindOfProvider(args.provider ?? '');
      const key = `${device} ${args.op_name}`;
      const use = uses.get(key) ?? { operator: args.op_name, device, nodes: new Set(), calls: 0, time: 0 };
      uses.set(key, use);
      use.nodes.add(name);
      use.calls++;
      use.time += dur;
    } else if (cat === 'Api') {
      const [, operator = ''] = name.split('&');
      deviceTimes.set(operator, (deviceTimes.get(operator) ?? 0) + dur);
    } else if (cat === 'Session' && name === 'model_run') {
      copies.push(current);
      current = { toDeviceBytes: 0, toHostBytes: 0 };
    }
  }
  const operators = [...uses.values()].map(({ operator, device, nodes, calls, time }) => {
    // the thread only queues what a GPU does: its own clock counts, where there is one
    const microseconds = device === 'webgpu' && deviceTimes.size > 0 ? (deviceTimes.get(operator) ?? 0) : time;
    return { operator, device, nodes: nodes.size, calls, microseconds };
  });
  return { operators: operators.sort((a, b) => b.microseconds - a.microseconds), copies };
}

// --- internal ---

async function* readEvents(file: string): AsyncGenerator<ProfileEvent> {
  let number = 0;
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    const text = line.trim().replace(/,$/, '');
    if (text === '' || text === '[' || text === ']') continue;
    try {
      yield JSON.parse(text) as ProfileEvent;
    } catch (error) {
      throw new IntegrityError(`${file}, line ${number}: expected an event as JSON, found ${text.slice(0, 100)}`, {
        code: 'malformed-profile',
        cause: error,
      });
    }
  }
}
