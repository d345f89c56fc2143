/** Runs the built program as a user does: a child process with its own FSB_HOME. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const FSB = fileURLToPath(new URL('../../bin/fsb.js', import.meta.url));

export interface FsbResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunFsbOptions {
  readonly home: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Sent to the process `delayMs` after stderr or stdout has shown this text. */
  readonly signalOn?: {
    readonly text: string;
    readonly signal: NodeJS.Signals;
    readonly delayMs: number;
    readonly onSignal: () => void;
  };
}

/** Offline and in English unless `env` says otherwise; nothing of the caller's environment but PATH gets through. */
export function runFsb(args: readonly string[], { home, env, input, signalOn }: RunFsbOptions): Promise<FsbResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [FSB, ...args], {
      env: {
        PATH: process.env.PATH ?? '',
        HOME: home,
        FSB_HOME: path.join(home, 'fsb'),
        FSB_OFFLINE: '1',
        LANG: 'C.UTF-8',
        ...env,
      },
    });
    let stdout = '';
    let stderr = '';
    let signalled = false;
    const look = (): void => {
      if (!signalOn || signalled || !(stdout + stderr).includes(signalOn.text)) return;
      signalled = true;
      setTimeout(() => {
        signalOn.onSignal();
        child.kill(signalOn.signal);
      }, signalOn.delayMs);
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      look();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      look();
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
    child.stdin.end(input ?? '');
  });
}
