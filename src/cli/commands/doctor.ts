/** fsb doctor: what this machine can do, and why not. */
import { access, constants, mkdir } from 'node:fs/promises';
import os from 'node:os';
import { selfTest } from '../../engine/capi/self-test.ts';
import { listDevices } from '../../engine/list-devices.ts';
import { freeDiskBytes } from '../../util/disk.ts';
import { messageOf } from '../../util/errors.ts';
import { formatBytes } from '../../util/format.ts';
import { FSB_VERSION } from '../../util/version.ts';
import { type CommandModule, example } from '../command.ts';
import type { CommonOptions, Context } from '../context.ts';

/** A mirror that does not answer so fast is not one to download gigabytes from. */
const REACH_TIMEOUT_MS = 4000;

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

export const command: CommandModule = {
  declare(command, run) {
    command.action(
      run(async (context, _options: CommonOptions) => {
        const checks = (await Promise.all([machine(), home(context), runtime(), devices(), mirrors(context)])).flat();
        context.output.result({ schema: 'fsb.doctor/1', ...{ checks } }, () =>
          checks
            .map(({ name, ok, detail }) => {
              const { style } = context.output;
              return `${ok ? style.green('✓') : style.yellow('–')} ${name.padEnd(14)} ${detail}`;
            })
            .join('\n'),
        );
      }),
    );
    example(command, 'fsb doctor', 'fsb doctor --json');
  },
};

// --- internal ---

async function machine(): Promise<Check[]> {
  const cpus = os.cpus();
  return [
    { name: 'fsb', ok: true, detail: FSB_VERSION },
    { name: 'node', ok: true, detail: `${process.version} ${process.platform} ${process.arch}` },
    { name: 'cpu', ok: true, detail: `${cpus[0]?.model.trim() ?? 'unknown'}, ${os.availableParallelism()} threads` },
    { name: 'memory', ok: true, detail: `${formatBytes(os.freemem())} free of ${formatBytes(os.totalmem())}` },
  ];
}

async function home({ environment }: Context): Promise<Check[]> {
  const free = formatBytes(await freeDiskBytes(environment.home));
  try {
    await mkdir(environment.home, { recursive: true });
    await access(environment.home, constants.W_OK);
    return [{ name: 'FSB_HOME', ok: true, detail: `${environment.home}, ${free} free` }];
  } catch (error) {
    return [
      {
        name: 'FSB_HOME',
        ok: false,
        detail: `${environment.home} cannot be written: ${messageOf(error)}; set FSB_HOME to a folder of yours`,
      },
    ];
  }
}

async function runtime(): Promise<Check[]> {
  const report = await selfTest();
  const detail = report.ok
    ? `ONNX Runtime ${report.version} through its C API, ${report.functions.length} functions tested`
    : `the C API does not work (${report.failure}); fsb uses the slower JavaScript API of onnxruntime-node`;
  return [{ name: 'runtime', ok: report.ok, detail }];
}

async function devices(): Promise<Check[]> {
  const reports = await listDevices();
  return reports.map(({ device, available, reason, hint, limitation }) => ({
    name: `device ${device}`,
    ok: available,
    detail: available
      ? `works${limitation ? `; ${limitation}` : ''}`
      : [reason ?? 'does not work', ...(hint ? [hint] : [])].join('; '),
  }));
}

async function mirrors({ environment, signal }: Context): Promise<Check[]> {
  const hosts = [environment.huggingFaceEndpoint, environment.modelScopeEndpoint];
  if (environment.offline)
    return hosts.map((host) => ({ name: 'mirror', ok: false, detail: `${host}: not tried, fsb is offline` }));
  const { createHttpClient } = await import('../../hub/http.ts');
  const http = createHttpClient({ connectTimeoutMs: REACH_TIMEOUT_MS, idleTimeoutMs: REACH_TIMEOUT_MS });
  try {
    return await Promise.all(
      hosts.map(async (host) => {
        const started = performance.now();
        try {
          await http.get(`${host}/`, {
            signal: AbortSignal.any([signal, AbortSignal.timeout(REACH_TIMEOUT_MS)]),
          });
          return { name: 'mirror', ok: true, detail: `${host}: ${Math.round(performance.now() - started)} ms` };
        } catch (error) {
          return { name: 'mirror', ok: false, detail: `${host}: ${messageOf(error)}` };
        }
      }),
    );
  } finally {
    await http.close();
  }
}
