/** `fsb pull` of a model of its own as a process, in a home that exists during each test. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { FSB } from '../helpers/run-fsb.ts';
import { COMMIT, REPO, type ServedFile } from './fault-server.ts';

export const CONNECTIONS = 3;
export const NAME = 'pytorch_model.bin';
export const CONFIG = { body: Buffer.from('{"model_type":"bert"}') };

export interface PullProcess {
  readonly done: Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>;
  kill(signal: NodeJS.Signals): void;
}

export interface PullHome {
  /** Joins to the folder of the test; FSB_HOME is "fsb" in it. */
  at(...segments: string[]): string;
  /** `fsb pull faulty` from this hub. Nothing of the caller's environment but PATH gets through. */
  pull(hub: { readonly url: string }, args?: readonly string[], env?: Readonly<Record<string, string>>): PullProcess;
  /** The same for any command of fsb, as another user if `uid` says so. */
  fsb(args: readonly string[], env?: Readonly<Record<string, string>>, uid?: number): PullProcess;
  /** Where the checkpoint will be. */
  checkpoint(): string;
}

/** A repository with this file as its weights. */
export const served = (file: ServedFile): Record<string, ServedFile> => ({ 'config.json': CONFIG, [NAME]: file });

export function usePullHome(): PullHome {
  let home = '';
  beforeEach(async () => {
    home = await mkdtemp(path.join(os.tmpdir(), 'fsb-processes-'));
    await writeFile(path.join(home, 'registry.json'), JSON.stringify({ models: { faulty: await modelEntry() } }));
  });
  afterEach(() => rm(home, { recursive: true, force: true }));
  const at = (...segments: string[]): string => path.join(home, ...segments);
  const fsb: PullHome['fsb'] = (args, env, uid) =>
    start(
      args,
      { HOME: home, FSB_HOME: at('fsb'), FSB_REGISTRY: at('registry.json'), NO_PROXY: '127.0.0.1', ...env },
      uid,
    );
  return {
    at,
    fsb,
    pull: (hub, args = [], env = {}) =>
      fsb(['pull', 'faulty', '--connections', String(CONNECTIONS), ...args], { HF_ENDPOINT: hub.url, ...env }),
    checkpoint: () => at('fsb/checkpoints/faulty', COMMIT),
  };
}

// --- internal ---

/** A real entry with another name and source, so that the test knows nothing of the registry's other fields. */
async function modelEntry(): Promise<Record<string, unknown>> {
  const registry = JSON.parse(await readFile(path.join(path.dirname(FSB), '../registry.json'), 'utf8'));
  const { aliases: _, published: __, prompts: ___, ...rest } = registry.models['erlangshen-1.3b'];
  return { ...rest, title: { zh: '坏网', en: 'Faulty' }, sources: [{ kind: 'huggingface', repo: REPO }] };
}

function start(args: readonly string[], env: Readonly<Record<string, string>>, uid: number | undefined): PullProcess {
  const child = spawn(process.execPath, [FSB, ...args], {
    env: { PATH: process.env.PATH ?? '', LANG: 'C.UTF-8', ...env },
    ...(uid !== undefined && { uid }),
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const done = new Promise<Awaited<PullProcess['done']>>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr })),
  );
  return { done, kill: (signal) => child.kill(signal) };
}
