/**
 * One process at a time, without flock, which lies on several network file systems: a file that only one can create,
 * touched while its owner lives. An owner that is gone, or silent for too long by the watcher's own clock, is replaced;
 * one that wakes up after that notices and stops.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeError } from '../util/disk.ts';
import { isSystemError, LockedError } from '../util/errors.ts';
import { makeFolder } from '../util/files.ts';

export interface LeaseOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when another process holds the lease. */
  readonly onWait?: ((owner: { readonly host: string; readonly pid: number }) => void) | undefined;
  /** How long to wait for another process, in ms. @default as long as it takes */
  readonly waitMs?: number | undefined;
  /** The owner touches the file this often. @default 2000 */
  readonly heartbeatMs?: number | undefined;
  /** Without a touch for so long, the owner counts as gone. @default 15_000 */
  readonly staleMs?: number | undefined;
}

export interface Lease {
  /** Aborted (with LockedError) when another process has taken the lease over. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

interface Owner {
  readonly token: string;
  readonly host: string;
  readonly pid: number;
  /** Where the pid means something: host, boot and process namespace. */
  readonly machine: string;
}

const POLL_MS = 250;

/** Waits for the lease; its folder is made when needed. Throws LockedError after `waitMs`, `signal.reason` when aborted. */
export async function acquireLease(file: string, options: LeaseOptions = {}): Promise<Lease> {
  const { signal, onWait, waitMs = Number.POSITIVE_INFINITY, staleMs = 15_000 } = options;
  const me: Owner = {
    token: randomBytes(12).toString('hex'),
    host: os.hostname(),
    pid: process.pid,
    machine: machine(),
  };
  const started = performance.now();
  let seen: { sign: string; at: number } | undefined;
  let isWaiting = false;
  for (;;) {
    signal?.throwIfAborted();
    if (await create(file, me)) return hold(file, me, options);
    const owner = await readOwner(file);
    if (!owner) continue; // released, or about to be written
    const now = performance.now();
    if (seen?.sign !== owner.sign) seen = { sign: owner.sign, at: now };
    if (isGone(owner, me) || now - seen.at > staleMs) {
      await takeAway(file, owner.token);
      continue;
    }
    if (!isWaiting) onWait?.(owner);
    isWaiting = true;
    if (now - started > waitMs)
      throw new LockedError(`${file}: process ${owner.pid} on ${owner.host} is fetching the same`, {
        code: 'locked',
        hint: 'wait until it is done, or end it',
        facts: { host: owner.host, pid: owner.pid },
      });
    await sleep(POLL_MS, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
  }
}

// --- internal ---

async function create(file: string, me: Owner): Promise<boolean> {
  try {
    await makeFolder(path.dirname(file)); // a former owner removes it with its work
    const handle = await open(file, 'wx');
    await handle.write(JSON.stringify(me));
    await handle.close();
    return true;
  } catch (error) {
    // ENOENT: it was removed between the two
    if (isSystemError(error, 'EEXIST') || isSystemError(error, 'ENOENT')) return false;
    throw writeError(error, file);
  }
}

function hold(file: string, me: Owner, { heartbeatMs = 2000 }: LeaseOptions): Lease {
  const lost = new AbortController();
  const timer = setInterval(async () => {
    const owner = await readOwner(file).catch(() => undefined); // a file system that stutters proves nothing
    const now = new Date();
    if (owner?.token === me.token) await utimes(file, now, now).catch(() => undefined);
    else if (owner)
      lost.abort(new LockedError(`process ${owner.pid} on ${owner.host} has taken over`, { code: 'lease-lost' }));
  }, heartbeatMs);
  timer.unref();
  return {
    lost: lost.signal,
    async release() {
      clearInterval(timer);
      try {
        if ((await readOwner(file))?.token === me.token) await rm(file, { force: true });
      } catch {
        // Left behind, it is one whose owner is gone.
      }
    },
  };
}

/** The owner, and a sign that changes whenever it touches the file; undefined when nobody is there. */
async function readOwner(file: string): Promise<(Owner & { sign: string }) | undefined> {
  try {
    const [text, { mtimeMs }] = [await readFile(file, 'utf8'), await stat(file)];
    const owner: Owner = { token: '', host: '?', pid: 0, machine: '', ...parseObject(text) };
    return { ...owner, sign: `${text} ${mtimeMs}` };
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** A file that was created and not yet written has an owner without a name; it goes stale like any other. */
function parseObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

function isGone(owner: Owner, me: Owner): boolean {
  if (owner.machine !== me.machine || owner.pid === me.pid) return false;
  try {
    process.kill(owner.pid, 0);
    return false;
  } catch (error) {
    return isSystemError(error, 'ESRCH');
  }
}

/** Of several that find the same dead owner, one renames its file; a living one's file goes back. */
async function takeAway(file: string, token: string): Promise<void> {
  const aside = `${file}.${randomBytes(4).toString('hex')}`;
  try {
    await rename(file, aside);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return; // another process was faster
    throw error;
  }
  if ((await readOwner(aside))?.token === token) await rm(aside, { force: true });
  else await rename(aside, file);
}

/** Containers may share a host's name, and a restarted host gives pids anew: Linux tells both apart. */
function machine(): string {
  if (process.platform !== 'linux') return os.hostname();
  const namespace = readlinkSync('/proc/self/ns/pid');
  return `${os.hostname()} ${namespace} ${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}`;
}
