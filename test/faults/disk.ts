/** Disks of their own for a test: small ones, and such that become read-only. Mounting takes root on Linux. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach } from 'vitest';

export interface Disks {
  /** A disk of so many bytes, in memory, at this folder. */
  mount(folder: string, bytes: number): string;
  /** From now on nothing can be written to it. */
  makeReadOnly(disk: string): void;
}

/** False, said aloud, where disks cannot be had; `what` is not tested then. */
export function canMount(what: string): boolean {
  const disk = path.join(os.tmpdir(), `fsb-mount-${process.pid}`);
  try {
    mkdirSync(disk);
    mount(disk, 65_536);
    execFileSync('umount', [disk]);
    return true;
  } catch {
    console.warn(`skipped: ${what} (mounting one takes root on Linux)`);
    return false;
  } finally {
    rmSync(disk, { recursive: true, force: true });
  }
}

/** To be called after what removes the folders that disks are mounted at: hooks run in the opposite order. */
export function useDisks(): Disks {
  let mounted: string[] = [];
  afterEach(() => {
    for (const disk of mounted) execFileSync('umount', [disk]);
    mounted = [];
  });
  return {
    mount(folder, bytes) {
      mkdirSync(folder);
      mount(folder, bytes);
      mounted.push(folder);
      return folder;
    },
    makeReadOnly: (disk) => execFileSync('mount', ['-o', 'remount,ro', disk], { stdio: 'pipe' }),
  };
}

// --- internal ---

function mount(folder: string, bytes: number): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder], { stdio: 'pipe' });
}
