/** Every block of README.md that begins with "$" is run as it stands and must print what stands there. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { FSB } from './helpers/run-fsb.ts';
import { scratchFolder } from './helpers/scratch.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const blocks = [...readme.matchAll(/^```\n\$ (.+)\n([\s\S]*?)^```$/gm)].map(
  ([, command, output]) => [command!, output!] as const,
);
const home = scratchFolder('readme');
const bin = path.join(home, 'bin');
mkdirSync(bin);
symlinkSync(FSB, path.join(bin, 'fsb'));

describe('README.md', () => {
  it('has a tour', () => {
    expect(blocks.length).toBeGreaterThan(5);
  });

  it.each(blocks)('$ %s', async (command, output) => {
    const env = {
      PATH: `${bin}:${process.env.PATH}`,
      FSB_HOME: path.join(home, 'fsb'),
      FSB_OFFLINE: '1',
      LANG: 'C.UTF-8',
    };
    const { stdout } = await promisify(execFile)('bash', ['-c', command], { env });
    expect(stdout).toBe(output);
  });

  it('names the two commands', () => {
    expect(readme).toContain('npm ci && npm run demo');
    expect(readme).toContain('npm cit');
  });
});
