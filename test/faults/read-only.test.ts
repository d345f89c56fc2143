/** An FSB_HOME that cannot be written: what only reads works as ever, what writes says so and leaves nothing behind. */
import { chmod, chown, cp, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { tree } from '../hub/scratch.ts';
import { canMount, useDisks } from './disk.ts';
import { randomBody, sha256, startFaultServer } from './fault-server.ts';
import { NAME, served, usePullHome } from './pull-process.ts';

const { at, fsb, pull, checkpoint } = usePullHome();
const disks = useDisks();

const BODY = randomBody(1 << 20);
const OFFLINE = { FSB_OFFLINE: '1' };
const MODEL = 'erlangshen-mini';
const MINI_ZIP = path.resolve(`models/${MODEL}.zip`);
/** Root may write everywhere: its processes take another user's rights. */
const isRoot = process.getuid?.() === 0;
const OTHER_UID = 65_534;

/** Everything below a folder, with what would change if it were written. */
async function picture(folder: string): Promise<string[]> {
  const names = await tree(folder);
  return Promise.all(
    names.map(async (name) => {
      const { size, mtimeMs, mode } = await stat(path.join(folder, name));
      return `${name} ${size} ${mtimeMs} ${mode}`;
    }),
  );
}

async function forEach(folder: string, change: (full: string, isFolder: boolean) => Promise<void>): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    await change(path.join(entry.parentPath, entry.name), entry.isDirectory());
  await change(folder, true);
}

interface Kind {
  readonly what: string;
  readonly code: string;
  readonly reason: string;
  readonly uid: number | undefined;
  readonly isPossible: boolean;
  /** Makes the folder that becomes FSB_HOME. */
  prepare(home: string): Promise<void>;
  lock(home: string): Promise<void>;
}

const KINDS: readonly Kind[] = [
  {
    what: 'a disk mounted read-only',
    code: 'EROFS',
    reason: 'its disk is read-only',
    uid: undefined,
    isPossible: canMount('a home on a read-only disk'),
    prepare: async (home) => void disks.mount(home, 64 << 20),
    lock: async (home) => disks.makeReadOnly(home),
  },
  {
    what: 'folders without the right to write',
    code: 'EACCES',
    reason: 'permission is denied',
    uid: isRoot ? OTHER_UID : undefined,
    isPossible: process.platform !== 'win32',
    prepare: async (home) => void (await mkdir(home)),
    async lock(home) {
      await chmod(at(), 0o755);
      await forEach(home, (full, isFolder) => chmod(full, isFolder ? 0o555 : 0o444));
    },
  },
];

describe.each(KINDS.filter(({ isPossible }) => isPossible))('$what ($code)', ({ code, reason, uid, prepare, lock }) => {
  const home = (): string => at('fsb');
  beforeEach(async () => {
    await prepare(home());
    // its zip as a checkpoint and as a model
    expect(await fsb(['convert', MODEL], OFFLINE).done).toMatchObject({ code: 0 });
    await cp(MINI_ZIP, at('m.zip'));
    await lock(home());
  });

  it('reading, and running a model that is there, work as ever', async () => {
    const before = await picture(home());
    const commands = [
      ['list', '--local', '--json'],
      ['info', MODEL, '--json'],
      ['pull', MODEL],
      ['pull', MODEL, '--dry-run'],
      ['verify', MODEL],
      ['fill-mask', MODEL, '海上生[MASK]月', '--json'],
      ['tokenize', MODEL, '海上生明月'],
    ];
    for (const args of commands) {
      const result = await fsb(args, OFFLINE, uid).done;
      expect({ args, ...result }).toMatchObject({ args, code: 0 });
      if (args[0] === 'list') expect(result.stdout).toContain(MODEL);
    }
    expect(await picture(home())).toEqual(before);
    const doctor = await fsb(['doctor', '--json'], OFFLINE, uid).done;
    expect(doctor.stdout).toMatch(/cannot be written/);
  });

  it('whatever writes fails at once, says why and what to do, and leaves nothing', async () => {
    await using hub = await startFaultServer(served({ body: BODY }));
    const before = await picture(home());
    const online = { HF_ENDPOINT: hub.url };
    const commands: [args: string[], env: Record<string, string>][] = [
      [['pull', 'faulty'], online],
      [['pull', 'faulty', '--mirror', `${hub.url}/files/whole.zip`], online],
      [['import', at('m.zip'), '--as', 'mine'], OFFLINE],
      [['convert', MODEL, '--dtype', 'int8'], OFFLINE],
      [['fill-mask', MODEL, '海[MASK]', '--dtype', 'int8'], OFFLINE],
      [['eval', '--task', 'poet', '--model', MODEL, '--limit', '2'], OFFLINE],
    ];
    for (const [args, env] of commands) {
      const result = await fsb([...args, '--debug'], env, uid).done;
      expect({ args, ...result }).toMatchObject({ args, code: 2, stdout: '', stderr: expect.any(String) });
      expect(result.stderr).toContain(`cannot be written: ${reason} (${code})`);
      expect(result.stderr).toContain(home());
      expect(result.stderr).toMatch(/set FSB_HOME to a folder that can be written/);
    }
    expect(await picture(home())).toEqual(before);
    expect(hub.sentBytes).toBeLessThan(BODY.length); // not a byte of weights for nothing
    const result = await fsb(['pull', 'faulty'], { ...online, FSB_HOME: at('other') }).done;
    expect(result.code).toBe(0);
  });
});

describe('a home that cannot be used', () => {
  it('because a file is in its place', async () => {
    await mkdir(at('fsb'));
    await writeFile(at('fsb/checkpoints'), 'a file where a folder should be');
    await using hub = await startFaultServer(served({ body: BODY }));
    const { code, stderr } = await pull(hub).done;
    expect(code).toBe(2);
    expect(stderr).toMatch(/cannot be written: a file is in the place of a folder.*\n.*FSB_HOME/);
  });

  it.skipIf(process.platform === 'win32')('from some moment on: what came stays for the next run', async () => {
    await mkdir(at('fsb/checkpoints/faulty'), { recursive: true });
    if (isRoot) await forEach(at(), (full) => chown(full, OTHER_UID, OTHER_UID));
    const uid = isRoot ? OTHER_UID : undefined;
    await using hub = await startFaultServer(served({ body: BODY, rate: 4e5 }));
    const running = fsb(['pull', 'faulty', '--connections', '2'], { HF_ENDPOINT: hub.url }, uid);
    while (!hub.requests.some((request) => request.startsWith(NAME))) await sleep(20);
    // the last step, the rename, is not allowed any more
    await chmod(path.dirname(checkpoint()), 0o555);
    const failed = await running.done;
    expect(failed.code).toBe(2);
    expect(failed.stderr).toMatch(/cannot be written: permission is denied \(EACCES\)/);
    expect(await stat(checkpoint()).catch(() => 'absent')).toBe('absent');
    await chmod(path.dirname(checkpoint()), 0o755);
    const sent = hub.sentBytes;
    expect(await fsb(['pull', 'faulty'], { HF_ENDPOINT: hub.url }, uid).done).toMatchObject({ code: 0 });
    expect(sha256(await readFile(path.join(checkpoint(), NAME)))).toBe(sha256(BODY));
    expect(hub.sentBytes - sent).toBeLessThan(100); // the configuration, if that
  });
});
