/** A cache in the memory of a device gives what a cache in our arrays gives: on the CPU's memory everywhere, on WebGPU where it is. */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Explanation } from '../../src/engine/explanation.ts';
import { openSession } from '../../src/engine/open-session.ts';
import type { Session } from '../../src/engine/session.ts';
import { int64Tensor } from '../../src/engine/tensor.ts';
import { openCache } from '../../src/pipelines/cache-store.ts';
import { DeviceCache } from '../../src/pipelines/device-cache.ts';
import { Generator } from '../../src/pipelines/generator.ts';
import { KeyValueCache } from '../../src/pipelines/key-value-cache.ts';
import { testedDevices } from '../helpers/devices.ts';
import { convertMini } from '../helpers/minis.ts';
import { scratchFolder } from '../helpers/scratch.ts';

// attention stays on the device even where the check fails: that concerns 32 and more new tokens at once, of which none is here
vi.mock('../../src/engine/attention-check.ts', () => ({ attentionOnCpu: async () => [] }));

const BEAMS = 3;
/** The widest vocabulary of the minis. */
const COLUMNS = 3456;

const scratch = scratchFolder('device-cache');
const devices = await testedDevices();
const PASTS = /^past_key_values\./;
let folder: string;
let session: Session;

beforeAll(async () => {
  folder = await convertMini(scratch, 'wenzhong-mini');
  session = await openSession(path.join(folder, 'onnx', 'model.onnx'), { device: 'cpu', runtime: 'capi' });
});
afterAll(() => session.dispose());

/** The same session, which says that its pasts live on a device. */
function asDevice(real: Session): Session {
  return {
    ...real,
    inputs: real.inputs,
    outputs: real.outputs,
    inputNames: real.inputNames,
    outputNames: real.outputNames,
    runtime: real.runtime,
    device: 'cpu',
    deviceMemory: real.deviceMemory,
    isOnDevice: (input) => PASTS.test(input),
    run: (...args) => real.run(...args),
    createBinding: () => real.createBinding(),
    dispose: () => real.dispose(),
  };
}

function cacheOf(of: Session): KeyValueCache {
  const columns = Number(of.outputs.find(({ name }) => name === 'logits')!.shape[2]);
  return new KeyValueCache(of, {
    columns,
    maxLength: 600,
    pasts: PASTS,
    bindStep(binding, { past, tokens }) {
      const count = tokens[0]!.length;
      const places = Array.from({ length: count }, (_, t) => (past + t) % 64);
      binding
        .input('position_ids', int64Tensor(tokens.map(() => places)))
        .input('attention_mask', int64Tensor(tokens.map(() => new Array<number>(past + count).fill(1))));
    },
  });
}

describe('a cache', () => {
  it('lies where the graph reads it', () => {
    expect(openCache(session, PASTS)).not.toBeInstanceOf(DeviceCache);
    expect(openCache(asDevice(session), PASTS)).toBeInstanceOf(DeviceCache);
  });

  it('on a device gives the same numbers: prompt, steps, chunks, rewinds, rows, growth', async () => {
    const [ours, theirs] = [cacheOf(session), cacheOf(asDevice(session))];
    const both = async (run: (cache: KeyValueCache) => Promise<Float32Array[][]>): Promise<void> => {
      expect(await run(theirs)).toEqual(await run(ours));
      expect(theirs.sizeBytes).toBe(ours.sizeBytes);
    };
    await both((cache) => cache.append([[11, 42, 7]], { keep: 1 }));
    await both((cache) => cache.step([0], [[300]]));
    await both((cache) => cache.step([0], [[1, 2]]));
    for (const cache of [ours, theirs]) cache.rewind(4);
    await both((cache) => cache.step([0], [[12, 99, 8]]));
    await both((cache) => cache.step([0, 0, 0], [[5], [6], [7]]));
    await both((cache) => cache.step([2, 0], [[8], [9]]));
    await both((cache) => cache.step([1], [[4]]));
    await both((cache) => cache.step([0], [Array.from({ length: 280 }, (_, i) => (i * 7) % 1000)]));
    await Promise.all([ours.dispose(), theirs.dispose()]);
    expect(theirs.sizeBytes).toBe(0);
  });
});

describe.each(devices.filter((device) => device !== 'cpu'))('on %s', (device) => {
  it.each(['wenzhong-mini', 'zhouwenwang-mini', 'randeng-mini'])(
    '%s writes what it writes on the CPU',
    async (name) => {
      const model = await convertMini(path.join(scratch, device), name);
      const write = async (on: string, told: Explanation[] = []) => {
        const options = { device: on, onWarning: console.warn, onExplanation: (e: Explanation) => told.push(e) };
        const generator = await Generator.open(model, options);
        const prompt = { ids: [11, 42, 7, 30], decoderIds: [0] };
        const settings = { maxNewTokens: 8, eosTokenIds: [], promptLookup: false } as const;
        const { sequences } = await generator.generate(
          name === 'randeng-mini' ? prompt : { ids: prompt.ids },
          settings,
        );
        const beams = await generator.generate(name === 'randeng-mini' ? prompt : { ids: prompt.ids }, {
          ...settings,
          numBeams: BEAMS,
        });
        await generator.dispose();
        return [...sequences, ...beams.sequences].map(({ tokens }) => tokens);
      };
      const told: Explanation[] = [];
      expect(await write(device, told)).toEqual(await write('cpu'));
      const decoder = told.find(({ graph }) => !graph.includes('encoder_model'))!;
      expect(decoder.operators).toContainEqual(expect.objectContaining({ operator: 'GroupQueryAttention', device }));
      // the last step of the beams sends ids, positions and lengths and gets rows of logits: no key or value crosses
      expect(decoder.lastRun!.toDeviceBytes).toBeLessThan(1024);
      expect(decoder.lastRun!.toHostBytes).toBeLessThan(4 * BEAMS * COLUMNS + 1024);
    },
  );
});
