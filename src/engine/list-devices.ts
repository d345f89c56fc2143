/** Which devices work on this machine: each is tried for real, in a process of its own. */
import { fork } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEVICES } from './device.ts';
import type { ProbeOutcome } from './device-probe.ts';

export type DeviceReport = ProbeOutcome;

/** A driver that compiles its shaders in software takes seconds; one that takes longer does not work in practice. */
const PROBE_TIMEOUT_MS = 60_000;

/** The end of what a crashing driver prints. */
const MAX_STDERR_CHARACTERS = 2000;

/** Tries every device, a few hundred milliseconds each. Never throws; prints nothing. */
export function listDevices(): Promise<DeviceReport[]> {
  return Promise.all(Object.keys(DEVICES).map(probeDevice));
}

/** Tries one device ("webgpu", "cuda:1"). */
export function probeDevice(device: string): Promise<DeviceReport> {
  // the compiled file ends in .js, the source in .ts
  const script = fileURLToPath(new URL(`device-probe${path.extname(import.meta.url)}`, import.meta.url));
  return new Promise((resolve) => {
    const child = fork(script, [device], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], execArgv: [] });
    let outcome: DeviceReport | undefined;
    let printed = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), PROBE_TIMEOUT_MS);
    const unavailable = (reason: string): DeviceReport => ({ device, available: false, reason });
    child.on('message', (message) => {
      outcome = message as ProbeOutcome;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      printed = (printed + text).slice(-MAX_STDERR_CHARACTERS);
    });
    child.on('error', (error) => {
      clearTimeout(timer);
      resolve(unavailable(`the probe cannot be started: ${error.message}`));
    });
    child.on('close', (exitCode, signal) => {
      clearTimeout(timer);
      const ended = signal ? `was ended by ${signal}` : `ended with exit code ${exitCode}`;
      resolve(outcome ?? unavailable(`the probe ${ended}${printed && `: ${printed.trim()}`}`));
    });
  });
}
