/** The program itself, as processes: killed at any moment, started twice, interrupted, without room. */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { COMMIT, type FaultServer, REPO, randomBody, sha256, startFaultServer } from './fault-server.ts';
import { canPreload, preload } from './preload.ts';
import { CONFIG, CONNECTIONS, NAME, served, usePullHome } from './pull-process.ts';

const PIECE_BYTES = 4 << 20;

const { at, pull, checkpoint } = usePullHome();

describe('kill -9', () => {
  it('at any moment costs at most a piece per connection', async () => {
    const body = randomBody(16 * PIECE_BYTES);
    await using server = await startFaultServer(served({ body, rate: 12e6 }));
    let kills = 0;
    for (;;) {
      const before = server.requests.length;
      const running = pull(server);
      let hasEnded = false;
      const isOver = await Promise.race([
        running.done.finally(() => {
          hasEnded = true;
        }),
        (async () => {
          while (server.requests.length === before && !hasEnded) await sleep(20);
          await sleep(350 + 500 * ((kills * 0.37) % 1)); // a piece takes 350 ms
        })(),
      ]);
      if (isOver) {
        expect(isOver).toMatchObject({ code: 0, stdout: `${checkpoint()}\n` });
        break;
      }
      running.kill('SIGKILL');
      await running.done;
      kills++;
      expect(kills).toBeLessThan(40);
      // absent, or whole: the last moment is between the final name and the process's end
      const found = await readFile(path.join(checkpoint(), NAME)).catch(() => undefined);
      if (found) expect(sha256(found)).toBe(sha256(body));
      else expect(await stat(checkpoint()).catch(() => 'absent')).toBe('absent');
    }
    expect(sha256(await readFile(path.join(checkpoint(), NAME)))).toBe(sha256(body));
    expect(kills).toBeGreaterThan(1);
    // what went out, with what was in the sockets of a killed process
    expect(server.sentBytes).toBeLessThanOrEqual(body.length + kills * CONNECTIONS * PIECE_BYTES + 1e6);
    expect(await readdir(path.dirname(checkpoint()))).toEqual([COMMIT]);
  });
});

describe('two processes', () => {
  it('pull the same at once: one works, the other waits for it, the bytes come once', async () => {
    const body = randomBody(4 * PIECE_BYTES);
    await using server = await startFaultServer(served({ body, rate: 8e6 }));
    const results = await Promise.all([pull(server).done, pull(server).done]);
    for (const result of results) expect(result).toMatchObject({ code: 0, stdout: `${checkpoint()}\n` });
    expect(results.map((result) => result.stderr).join()).toMatch(/is pulling the same; waiting/);
    expect(server.sentBytes).toBeLessThan(1.05 * body.length);
    expect(sha256(await readFile(path.join(checkpoint(), NAME)))).toBe(sha256(body));
  });

  it('the second takes over when the first is killed', async () => {
    const body = randomBody(4 * PIECE_BYTES);
    await using server = await startFaultServer(served({ body, rate: 4e6 }));
    const first = pull(server);
    await sleep(900);
    const second = pull(server);
    await sleep(500);
    first.kill('SIGKILL');
    await first.done;
    expect(await second.done).toMatchObject({ code: 0 });
    expect(sha256(await readFile(path.join(checkpoint(), NAME)))).toBe(sha256(body));
  });
});

/** Locks that always succeed and never lock, as on some network file systems; each call is noted in $LYING_LOCKS. */
const LYING_LOCKS = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>
static int lie(void) {
  int file = open(getenv("LYING_LOCKS"), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (file >= 0) { write(file, "x", 1); close(file); }
  return 0;
}
int flock(int fd, int operation) { return lie(); }
int lockf(int fd, int command, off_t length) { return lie(); }
`;

describe.skipIf(!canPreload('a file system where flock lies'))('where flock lies', () => {
  it('two processes still do the work once, and the second takes over when the first is killed', async () => {
    const calls = at('calls');
    const env = { ...preload(at('lying.so'), LYING_LOCKS), LYING_LOCKS: calls };
    const body = randomBody(4 * PIECE_BYTES);
    await using server = await startFaultServer(served({ body, rate: 3e6 }));
    const [first, second] = [pull(server, [], env), pull(server, [], env)];
    await sleep(1500);
    first.kill('SIGKILL');
    await first.done;
    expect(await second.done).toMatchObject({ code: 0, stdout: `${checkpoint()}\n` });
    expect(sha256(await readFile(path.join(checkpoint(), NAME)))).toBe(sha256(body));
    // what the killed one had not finished comes twice, nothing else
    expect(server.sentBytes).toBeLessThan(body.length + CONNECTIONS * PIECE_BYTES + 1e6);
    // nothing was asked of the locks that lie
    expect(await readFile(calls).catch(() => 'no call')).toBe('no call');
  });
});

/** Writes what is flushed and renamed, in order, to $CALLS. */
const NOTED_CALLS = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void note(const char *what, const char *first, const char *second) {
  char line[8192];
  int length = snprintf(line, sizeof line, "%s %s %s\\n", what, first, second);
  int file = open(getenv("CALLS"), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (file >= 0) { write(file, line, length); close(file); }
}
static void note_flush(int fd) {
  char link[64], path[4096] = "";
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  path[length < 0 ? 0 : length] = 0;
  note("flush", path, "");
}
int fsync(int fd) { note_flush(fd); return ((int (*)(int)) dlsym(RTLD_NEXT, "fsync"))(fd); }
int fdatasync(int fd) { note_flush(fd); return ((int (*)(int)) dlsym(RTLD_NEXT, "fdatasync"))(fd); }
int rename(const char *from, const char *to) {
  note("rename", from, to);
  return ((int (*)(const char *, const char *)) dlsym(RTLD_NEXT, "rename"))(from, to);
}
`;

describe.skipIf(!canPreload('that files are flushed before they get their names'))('a power cut', () => {
  it('finds no file with its final name that was not flushed before', async () => {
    const env = { ...preload(at('noting.so'), NOTED_CALLS), CALLS: at('calls') };
    const body = randomBody(2 * PIECE_BYTES);
    await using server = await startFaultServer(served({ body }));
    expect(await pull(server, [], env).done).toMatchObject({ code: 0 });
    const calls = (await readFile(at('calls'), 'utf8')).trim().split('\n');
    const last = calls.findIndex((call) => call.startsWith('rename ') && call.endsWith(` ${checkpoint()}`));
    const [, staging] = calls[last]!.split(' ');
    for (const name of await readdir(checkpoint())) {
      const flushed = calls.indexOf(`flush ${path.join(staging!, name)} `);
      expect({ name, isFlushed: flushed >= 0 && flushed < last }).toEqual({ name, isFlushed: true });
    }
  });
});

describe('interrupts', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends within a second with code %i and says how to go on', async (signal, code) => {
    const body = randomBody(4 * PIECE_BYTES);
    await using server = await startFaultServer(served({ body, rate: 2e6 }));
    const running = pull(server);
    await sleep(1500);
    const sent = performance.now();
    running.kill(signal);
    const result = await running.done;
    expect(performance.now() - sent).toBeLessThan(1100);
    expect(result.code).toBe(code);
    expect(result.stderr).toMatch(/run the same command again to go on from there/);
    expect(result.stdout).toBe('');
  });
});

describe('without room', () => {
  it('a disk that is too small is known before a byte of weights', async () => {
    const body = randomBody(1000);
    await using server = await startFaultServer(served({ body }));
    const { pullModel } = await import('../../src/hub/pull.ts');
    process.env.NO_PROXY = '127.0.0.1';
    const huge = { path: NAME, sizeBytes: 2 ** 52 };
    expect(huge.sizeBytes).toBeGreaterThan(1e15);
    await expect(
      pullModel({
        name: 'faulty',
        sources: [{ kind: 'huggingface', repo: REPO }],
        huggingFaceEndpoint: await hugeListing(server),
        target: at('out'),
      }),
    ).rejects.toMatchObject({ code: 'disk-full', exitCode: 7 });
  });
});

describe('--dry-run', () => {
  it('says sizes, sources and what is here, and fetches nothing', async () => {
    const body = randomBody(2 * PIECE_BYTES);
    await using server = await startFaultServer(served({ body }));
    const { code, stdout } = await pull(server, ['--dry-run', '--json']).done;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 'fsb.pull/1',
      dryRun: true,
      source: `huggingface:${REPO}`,
      totalBytes: body.length + CONFIG.body.length,
      missingBytes: body.length + CONFIG.body.length,
    });
    expect(server.requests).toEqual([]);
    await pull(server).done;
    expect(JSON.parse((await pull(server, ['--dry-run', '--json']).done).stdout)).toMatchObject({ missingBytes: 0 });
    expect((await pull(server, ['--max-rate', 'fast']).done).code).toBe(2);
  });

  it('says what an interrupted pull has left', async () => {
    const body = randomBody(8 * PIECE_BYTES);
    await using server = await startFaultServer(served({ body, rate: 12e6 }));
    const running = pull(server);
    while (server.sentBytes < (CONNECTIONS + 1) * PIECE_BYTES) await sleep(20);
    running.kill('SIGINT');
    expect((await running.done).code).toBe(130);
    const plan = JSON.parse((await pull(server, ['--dry-run', '--json']).done).stdout);
    const held = plan.files.find((file: { path: string }) => file.path === NAME).heldBytes;
    expect(held).toBeGreaterThanOrEqual(PIECE_BYTES);
    expect(held).toBeLessThan(body.length);
    expect(plan.missingBytes).toBe(plan.totalBytes - held - CONFIG.body.length);
    expect((await pull(server, ['--dry-run']).done).stdout).toMatch(
      /pytorch_model\.bin\t33\.6 MB\t\d+(\.\d+)? MB here/,
    );
  });
});

describe('offline', () => {
  it('names what is missing, asks nobody, and takes what is here', async () => {
    const offline = { FSB_OFFLINE: '1' };
    await using server = await startFaultServer(served({ body: randomBody(1000) }));
    const missing = await pull(server, [], offline).done;
    expect(missing.code).toBe(4);
    expect(missing.stderr).toMatch(
      new RegExp(`huggingface:${REPO} is needed, is not on this machine, and fsb is offline\n.*FSB_OFFLINE`),
    );
    expect(server.requests).toEqual([]);
    expect((await pull(server).done).code).toBe(0);
    const asked = server.requests.length;
    expect(await pull(server, [], offline).done).toMatchObject({ code: 0, stdout: `${checkpoint()}\n` });
    expect(server.requests).toHaveLength(asked);
  });
});

async function hugeListing(server: FaultServer): Promise<string> {
  const { createServer } = await import('node:http');
  const sibling = { rfilename: NAME, size: 2 ** 52, lfs: { sha256: 'a'.repeat(64), size: 2 ** 52 } };
  const hub = createServer((_request, response) =>
    response.end(JSON.stringify({ sha: COMMIT, siblings: [sibling] })),
  ).unref();
  await new Promise<void>((resolve) => hub.listen(0, '127.0.0.1', resolve));
  expect(server.requests).toEqual([]);
  return `http://127.0.0.1:${(hub.address() as { port: number }).port}`;
}
